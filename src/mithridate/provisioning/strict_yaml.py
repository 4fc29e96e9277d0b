"""YAML as plain data: no tags, no anchors, and a key given twice is an error, not the last one's silent victory."""

from collections.abc import Hashable
from typing import Any

import yaml


def load_strict(text: str) -> object:
    """The document in a YAML text: tables, lists, text, numbers and truth values.

    Raises:
        yaml.YAMLError: a syntax error, a tag, an anchor, an alias or a repeated key; the message has the line.
    """
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(None, None, "anchors and aliases are not used here", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                text = f"the key {key.value!r} is given twice"
                raise yaml.constructor.ConstructorError(None, None, text, key.start_mark)
            seen.add(key.value)
        built: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return built
