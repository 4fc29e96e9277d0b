"""What a site asks the coordinator, and the answer: bytes that any engine can carry, signed by the site.

A request is the msgpack array [version, sender, number, topic, body, signature]. The signature, under the sender's
enrolled P-256 key, covers the study and everything before it; the number grows from request to request, so that one
sent again is noticed. The body is a msgpack array of integers and bytes. An answer is [version, refused, payload].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgpack  # type: ignore[import-untyped]

from mithridate.crypto import signing
from mithridate.crypto.domains import Domain
from mithridate.crypto.keys import PrivateKey, PublicKey
from mithridate.errors import MessageError, MithridateError, SignatureInvalid
from mithridate.federation.packing import shown, unpack_array
from mithridate.federation.reference import ReferencePart
from mithridate.federation.submission import HASH_BYTES

VERSION = 1
MAX_NAME = 64
MAX_REASON = 400
OVERHEAD = 512
MAX_PARTS = 1024
"""A page holds at most so many hospitals' parts."""
_MAX_NUMBER = 2**63 - 1
_REQUEST_ITEMS = 6
_BODY_ITEMS = 3
_ANSWER_ITEMS = 3
_PAGE_ITEMS = 2 * MAX_PARTS + 1

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
    """[committee] -> a validator's part of the reference set, as that committee holds it, and the digests of all."""
    KEEP_REFERENCE = "keep-reference"
    """[committee, message] -> nothing: the curator hands in the reference set, sealed, before the study begins."""
    HAND_OVER = "hand-over"
    """[round, attempt, message] -> nothing: a validator hands over to the attempt's committee."""
    HANDED_OVER = "handed-over"
    """[round, attempt, place] -> a validator's part of what the one at a place handed over, empty if it did not."""


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
    *head, signature = unpack_array(data, limit, _REQUEST_ITEMS, _REQUEST_ITEMS, text=MAX_NAME)
    version, sender, number, topic, body = head
    if type(version) is not int or version != VERSION:
        raise MessageError(f"a request of version {shown(version)}: this program reads version {VERSION}")
    if type(sender) is not str or len(sender) > MAX_NAME or type(number) is not int or not 0 < number <= _MAX_NUMBER:
        raise MessageError("a request names its sender and has a number above zero")
    if type(body) is not bytes or type(signature) is not bytes:
        raise MessageError("a request's body and signature are bytes")
    if type(topic) is not str or topic not in set(Topic):
        raise MessageError("a request's topic is not known here: do both run the same version?")
    if sender not in keys:
        raise SignatureInvalid(f"{sender!r} is not in the roster of this study")
    signing.verify(keys[sender], Domain.RELAY_REQUEST, _signed(study_id, head), signature)
    items = unpack_array(body, limit, _BODY_ITEMS)
    if any(type(item) not in (int, bytes) for item in items):
        raise MessageError("a request's body holds integers and bytes only")
    return Request(sender, number, Topic(topic), tuple(items))


def answer(payload: bytes) -> bytes:
    """An answer that carries what was asked for."""
    packed: bytes = msgpack.packb([VERSION, False, payload])
    return packed


def refusal(reason: str) -> bytes:
    """An answer that carries a reason."""
    packed: bytes = msgpack.packb([VERSION, True, plain(reason).encode()])
    return packed


def plain(reason: str) -> str:
    """A reason as one line of printable characters that any log takes."""
    return "".join(each if each.isprintable() else "?" for each in reason[:MAX_REASON])


def read_answer(data: bytes, limit: int) -> bytes:
    """The payload of an answer.

    Args:
        data: from the coordinator, hostile.
        limit: the most bytes an answer of this study has.

    Raises:
        RelayRefused: it is a refusal.
        MessageError: malformed or too large.
    """
    version, refused, payload = unpack_array(data, limit, _ANSWER_ITEMS, _ANSWER_ITEMS)
    if type(version) is not int or version != VERSION or type(refused) is not bool or type(payload) is not bytes:
        raise MessageError("the coordinator's answer is malformed, or of another version")
    if refused:
        raise RelayRefused(plain(payload[: 4 * MAX_REASON].decode("utf-8", "replace")))
    return payload


def pack_page(parts: Mapping[int, bytes], following: int) -> bytes:
    """A page of hospitals' parts, and the hospital that the next page begins with, 0 after the last."""
    packed: bytes = msgpack.packb([following, *(item for pair in sorted(parts.items()) for item in pair)])
    return packed


def read_page(data: bytes, limit: int, first: int) -> tuple[dict[int, bytes], int]:
    """The inverse of `pack_page`.

    Args:
        data: hostile.
        limit: the most bytes an answer of this study has.
        first: the hospital that the page should begin with, or one after it.

    Raises:
        MessageError: malformed, or it goes back, so that pages would never end.
    """
    following, *rest = unpack_array(data, limit, _PAGE_ITEMS) or [None]
    numbers, parts = rest[::2], rest[1::2]
    if type(following) is not int or len(numbers) != len(parts) or following < 0:
        raise MessageError("a page of parts is malformed")
    if any(type(number) is not int for number in numbers) or any(type(part) is not bytes for part in parts):
        raise MessageError("a page of parts is malformed")
    if numbers != sorted(set(numbers)) or (numbers and numbers[0] < first):
        raise MessageError("a page of parts goes back, or names a hospital twice")
    if following and (not numbers or following <= numbers[-1]):
        raise MessageError("a page of parts says that one before it follows")
    return dict(zip(numbers, parts, strict=True)), following


def pack_reference(given: ReferencePart) -> bytes:
    """A validator's part of the reference set, with the digests of the messages to all committees."""
    packed: bytes = msgpack.packb([b"".join(given.digests), given.part])
    return packed


def read_reference(data: bytes, limit: int) -> ReferencePart:
    """The inverse of `pack_reference`.

    Args:
        data: hostile.
        limit: the most bytes an answer of this study has.

    Raises:
        MessageError: malformed.
    """
    digests, part = unpack_array(data, limit, 2, 2)
    if type(digests) is not bytes or type(part) is not bytes or len(digests) % HASH_BYTES:
        raise MessageError("the coordinator's part of the reference set is malformed")
    each = range(0, len(digests), HASH_BYTES)
    return ReferencePart(tuple(digests[start : start + HASH_BYTES] for start in each), part)


def _signed(study_id: bytes, head: Sequence[object]) -> bytes:
    packed: bytes = msgpack.packb([study_id, *head])
    return packed
