"""Arrays of msgpack from other parties, read within bounds: of bytes, of items, and of arrays within arrays.

Bulk data travels behind such an array, not in it, so that nobody copies it to read what is before it.
"""

import itertools
import struct
from typing import Any

import msgpack  # type: ignore[import-untyped]

from mithridate.errors import MessageError

_Bytes = bytes | bytearray | memoryview
_SIZES = struct.Struct(">HI")


def unpack_array(
    data: _Bytes, limit: int, items: int, size: int | None = None, *, text: int = 0, arrays: int = 1
) -> list[Any]:
    """The items of a msgpack array, none of which is a map with entries or an extension.

    Args:
        data: hostile.
        limit: the most bytes that are read at all.
        items: the most items of any array in it.
        size: of the array, where it is fixed.
        text: the most bytes of a string.
        arrays: the most arrays, itself among them; each costs many times its bytes in memory.

    Raises:
        MessageError: larger, or no such array.
    """
    _check_size(data, limit)
    ended = itertools.count(1)

    def bounded(array: list[Any]) -> list[Any]:
        if next(ended) > arrays:
            raise MessageError("a message holds arrays within arrays")
        return array

    try:
        array = msgpack.unpackb(
            data,
            list_hook=bounded,
            max_bin_len=limit,
            max_array_len=items,
            max_str_len=text,
            max_map_len=0,
            max_ext_len=0,
        )
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise MessageError(f"a message is not the msgpack it should be: {error!s:.80}") from error
    if type(array) is not list or (size is not None and len(array) != size):
        raise MessageError(f"a message is an array{'' if size is None else f' of {size} items'}")
    return array


def join(head: bytes, bulk: _Bytes) -> bytes:
    """Sizes of the head (2 bytes) and the bulk (4 bytes), big-endian || head || bulk; below 64 KiB and 4 GiB."""
    return b"".join((_SIZES.pack(len(head), len(bulk)), head, bulk))


def split(data: _Bytes, limit: int) -> tuple[memoryview, memoryview]:
    """The inverse of `join`: (head, bulk), both views of `data`.

    Args:
        data: hostile.
        limit: the most bytes that are read at all.

    Raises:
        MessageError: larger, or not as long as its sizes say.
    """
    _check_size(data, limit)
    view, start = memoryview(data), _SIZES.size
    head, bulk = _SIZES.unpack(view[:start]) if len(view) >= start else (0, 0)
    if len(view) != start + head + bulk:
        said = start + head + bulk
        raise MessageError(f"a message of {len(view)} bytes whose sizes say {said}: cut short, or of another version")
    return view[start : start + head], view[start + head :]


def _check_size(data: _Bytes, limit: int) -> None:
    if len(data) > limit:
        raise MessageError(f"a message of {len(data)} bytes where at most {limit} are allowed")


def shown(value: object) -> str:
    """A value from elsewhere, for an error message: a number as it is, of anything else its type alone."""
    return str(value) if type(value) is int else type(value).__name__
