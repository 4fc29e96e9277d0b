"""A registry joins the variants of one kind: a new attack, detector or dataset is one file and one `register` line."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from mithridate.errors import InputError

T = TypeVar("T")


class Registry(Generic[T]):
    """Named variants of one kind, such as the attacks.

    Args:
        kind: the noun that errors use, in the singular ("attack").
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that files its argument under `name`; a name taken twice is a programming error (ValueError)."""

        def add(item: T) -> T:
            if name in self._items:
                raise ValueError(f"two {self.kind}s are called {name!r}")
            self._items[name] = item
            return item

        return add

    def get(self, name: str) -> T:
        """The variant called `name`.

        Raises:
            InputError: there is none; the message lists those there are.
        """
        if name not in self._items:
            raise InputError(f"unknown {self.kind} {name!r}: one of {', '.join(sorted(self._items))}")
        return self._items[name]

    def __contains__(self, name: str) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._items))
