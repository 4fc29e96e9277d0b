"""YAML as plain data: no tags, no anchors, no deep nesting, and a key given twice is an error."""

from collections.abc import Hashable
from typing import Any

import yaml

MAX_DEPTH = 16
"""Of tables and lists in each other; the parser calls itself for each, and Python's stack has an end."""


def load_strict(text: str) -> object:
    """The document in a YAML text: tables, lists, text, numbers and truth values.

    Raises:
        yaml.YAMLError: a syntax error, or what this reader does not take; the message has the line.
    """
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if self._depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, f"nested deeper than {MAX_DEPTH} times", event.start_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(None, None, "anchors and aliases are not used here", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, "tags are not used here", event.start_mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key should be text", key.start_mark)
            if key.value in seen:
                text = f"the key {key.value!r} is given twice"
                raise yaml.constructor.ConstructorError(None, None, text, key.start_mark)
            seen.add(key.value)
        built: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return built
