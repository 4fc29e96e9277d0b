"""What a site asks the coordinator, and the answer: bytes that any engine can carry, signed by the site.

A request is the msgpack array [version, sender, number, topic, body, signature]. The signature, under the sender's
enrolled P-256 key, covers the study and everything before it; the number grows from request to request, so that one
sent again is noticed. The body is a msgpack array of integers and bytes. An answer is [version, refused, payload].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgpack  # type: ignore[import-untyped]

from mithridate.crypto import signing
from mithridate.crypto.domains import Domain
from mithridate.crypto.keys import PrivateKey, PublicKey
from mithridate.errors import MessageError, MithridateError, SignatureInvalid

VERSION = 1
MAX_NAME = 64
MAX_REASON = 400
OVERHEAD = 512
_MAX_NUMBER = 2**63 - 1
_MAX_ITEMS = 4096

Item = int | bytes


class Topic(StrEnum):
    """What a site may ask for."""

    MODEL = "model"
    """[hash] -> the model's file."""
    KEEP_MODEL = "keep-model"
    """[file] -> nothing: a validator hands in a model that it attested."""
    SUBMISSION = "submission"
    """[round, attempt, message] -> nothing: a hospital hands in its message."""
    CURATED = "curated"
    """[round, attempt, message] -> nothing: the curator hands in its message."""
    IS_CURATED = "is-curated"
    """[round, attempt] -> one byte: whether the curator's message is there."""
    PARTS = "parts"
    """[round, attempt, first] -> a page of a validator's parts from hospital `first` on."""
    CURATED_PART = "curated-part"
    """[round, attempt] -> a validator's part of the curator's message, empty if there is none."""
    REFERENCE = "reference"
    """[] -> a validator's part of the reference set."""
    KEEP_REFERENCE = "keep-reference"
    """[message] -> nothing: the curator hands in the reference set, sealed, before the study begins."""


class RelayRefused(MithridateError):
    """The coordinator answered that it will not do what it was asked; the message is its reason."""


class Unreachable(MithridateError):
    """The coordinator did not answer: it is down, or the network is."""


@dataclass(frozen=True)
class Request:
    """A request whose signature was checked.

    Args:
        sender: the participant's name.
        number: larger than in all its requests before.
        topic: what it asks.
        items: the body.
    """

    sender: str
    number: int
    topic: Topic
    items: tuple[Item, ...]


def make_request(
    study_id: bytes, sender: str, key: PrivateKey, number: int, topic: Topic, items: Sequence[Item]
) -> bytes:
    """A signed request."""
    head = [VERSION, sender, number, topic.value, msgpack.packb(list(items))]
    packed: bytes = msgpack.packb([*head, signing.sign(key, Domain.RELAY_REQUEST, _signed(study_id, head))])
    return packed


def open_request(data: bytes, study_id: bytes, keys: Mapping[str, PublicKey], limit: int) -> Request:
    """The request in bytes from anywhere, once its signature has been checked.

    Args:
        data: hostile.
        study_id: of this study.
        keys: participants' signing keys by name.
        limit: the most bytes a request of this study has.

    Raises:
        MessageError: malformed, too large, of another version, or of an unknown topic.
        SignatureInvalid: of nobody in the roster, or not signed by whom it names, for this study.
    """
    *head, signature = _array(data, limit, 6)
    version, sender, number, topic, body = head
    if version != VERSION:
        raise MessageError(f"a request of version {version!r:.20}: this program reads version {VERSION}")
    if type(sender) is not str or len(sender) > MAX_NAME or type(number) is not int or not 0 < number <= _MAX_NUMBER:
        raise MessageError("a request names its sender and has a number above zero")
    if type(body) is not bytes or type(signature) is not bytes or topic not in set(Topic):
        raise MessageError(f"a request of the topic {topic!r:.40} is not known here")
    if sender not in keys:
        raise SignatureInvalid(f"{sender!r} is not in the roster of this study")
    signing.verify(keys[sender], Domain.RELAY_REQUEST, _signed(study_id, head), signature)
    items = _array(body, limit, None)
    if any(type(item) not in (int, bytes) for item in items):
        raise MessageError("a request's body holds integers and bytes only")
    return Request(sender, number, Topic(topic), tuple(items))


def answer(payload: bytes) -> bytes:
    """An answer that carries what was asked for."""
    packed: bytes = msgpack.packb([VERSION, False, payload])
    return packed


def refusal(reason: str) -> bytes:
    """An answer that carries a reason."""
    packed: bytes = msgpack.packb([VERSION, True, reason[:MAX_REASON].encode()])
    return packed


def read_answer(data: bytes, limit: int) -> bytes:
    """The payload of an answer.

    Args:
        data: from the coordinator, hostile.
        limit: the most bytes an answer of this study has.

    Raises:
        RelayRefused: it is a refusal.
        MessageError: malformed or too large.
    """
    version, refused, payload = _array(data, limit, 3)
    if version != VERSION or type(refused) is not bool or type(payload) is not bytes:
        raise MessageError("the coordinator's answer is malformed, or of another version")
    if refused:
        raise RelayRefused(payload[: 4 * MAX_REASON].decode("utf-8", "replace")[:MAX_REASON])
    return payload


def pack_page(parts: Mapping[int, bytes], following: int) -> bytes:
    """A page of hospitals' parts, and the hospital that the next page begins with, 0 after the last."""
    packed: bytes = msgpack.packb([following, *(item for pair in sorted(parts.items()) for item in pair)])
    return packed


def read_page(data: bytes, limit: int) -> tuple[dict[int, bytes], int]:
    """The inverse of `pack_page`; raises MessageError for what is malformed."""
    following, *rest = _array(data, limit, None) or [None]
    numbers, parts = rest[::2], rest[1::2]
    if type(following) is not int or len(numbers) != len(parts) or following < 0:
        raise MessageError("a page of parts is malformed")
    if any(type(number) is not int or number < 0 for number in numbers) or any(
        type(part) is not bytes for part in parts
    ):
        raise MessageError("a page of parts is malformed")
    if len(set(numbers)) != len(numbers) or (following and following <= max(numbers, default=following)):
        raise MessageError("a page of parts names a hospital twice, or goes back")
    return dict(zip(numbers, parts, strict=True)), following


def _signed(study_id: bytes, head: Sequence[object]) -> bytes:
    packed: bytes = msgpack.packb([study_id, *head])
    return packed


def _array(data: bytes, limit: int, size: int | None) -> list[Any]:
    if len(data) > limit:
        raise MessageError(f"a message of {len(data)} bytes where at most {limit} are allowed")
    try:
        items = msgpack.unpackb(
            data,
            max_bin_len=limit,
            max_array_len=_MAX_ITEMS,
            max_str_len=MAX_NAME,
            max_map_len=0,
            max_ext_len=0,
        )
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise MessageError(f"a message is not the msgpack it should be: {error!s:.80}") from error
    if type(items) is not list or (size is not None and len(items) != size):
        raise MessageError(f"a message is an array{'' if size is None else f' of {size} items'}")
    return items
