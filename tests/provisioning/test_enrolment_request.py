import base64
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from coincurve import PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_csr
from hypothesis import given, settings
from hypothesis import strategies as st

from mithridate.crypto.domains import Domain
from mithridate.crypto.keys import public_to_bytes
from mithridate.crypto.signing import sign
from mithridate.errors import EnrolmentError
from mithridate.provisioning.consortium import Consortium
from mithridate.provisioning.keys import ParticipantKeys
from mithridate.provisioning.request import fingerprint, make_request, read_request

Keys = dict[str, ParticipantKeys]
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def request_bytes(consortium: Consortium, keys: Keys) -> bytes:
    return make_request(consortium, consortium.participant("hospital-1"), keys["hospital-1"])


def test_a_request_shows_the_public_keys_and_proves_them(request_bytes: bytes, keys: Keys) -> None:
    read = read_request(request_bytes)
    mine = keys["hospital-1"]
    assert read.public.public_numbers() == mine.tls.public_key().public_numbers()
    assert read.body.keys.signing_key == public_to_bytes(mine.signing.public_key()).hex()
    assert read.body.keys.envelope_key == public_to_bytes(mine.envelope.public_key()).hex()
    assert read.body.keys.account == mine.account.address
    assert (read.body.participant, read.body.role, read.body.organisation) == ("hospital-1", "hospital", "clinic_1")
    assert read.fingerprint == fingerprint(request_bytes)


def test_a_request_holds_nothing_secret(request_bytes: bytes, keys: Keys) -> None:
    mine = keys["hospital-1"]
    secrets = [key.private_numbers().private_value.to_bytes(32, "big") for key in (mine.signing, mine.envelope)]
    for secret in [*secrets, mine.account.key]:
        assert secret.hex() not in request_bytes.decode().lower()
    assert "PRIVATE" not in request_bytes.decode()


def forged(request: bytes, keys: Keys, change: Change, *, sign_as: str | None = None) -> bytes:
    """The request with another body; signed anew by a participant's signing key, or with the old signatures."""
    outer = json.loads(request)
    body = json.loads(outer["body"])
    change(body)
    outer["body"] = json.dumps(body)
    if sign_as:
        signing = keys[sign_as].signing
        outer["signature"] = sign(signing, Domain.ENROLMENT_REQUEST, outer["body"].encode()).hex()
    return json.dumps(outer).encode()


def test_a_changed_body_does_not_verify(request_bytes: bytes, keys: Keys) -> None:
    altered = forged(request_bytes, keys, lambda body: body.update(participant="hospital-2"))
    with pytest.raises(EnrolmentError, match="'hospital-2' does not hold: the signature does not verify"):
        read_request(altered)


def test_an_account_whose_key_did_not_sign_is_refused(request_bytes: bytes, keys: Keys) -> None:
    def take_account(body: dict[str, Any]) -> None:
        body["keys"]["account"] = keys["hospital-2"].account.address

    with pytest.raises(EnrolmentError, match="the ledger account's key did not sign"):
        read_request(forged(request_bytes, keys, take_account, sign_as="hospital-1"))


def test_anothers_certificate_request_cannot_be_used(consortium: Consortium, keys: Keys) -> None:
    theirs = json.loads(make_request(consortium, consortium.participant("hospital-2"), keys["hospital-2"]))
    mine = keys["hospital-1"]
    outer = json.loads(make_request(consortium, consortium.participant("hospital-1"), mine))
    body = json.loads(outer["body"])
    body["certificate_request"] = json.loads(theirs["body"])["certificate_request"]
    outer["body"] = json.dumps(body)
    outer["signature"] = sign(mine.signing, Domain.ENROLMENT_REQUEST, outer["body"].encode()).hex()
    message = Domain.ENROLMENT_ACCOUNT.tag + outer["body"].encode()
    outer["account_signature"] = PrivateKey(mine.account.key).sign_recoverable(message).hex()
    with pytest.raises(EnrolmentError, match="names another signing key"):
        read_request(json.dumps(outer).encode())


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", b"{" * 5000, b" " * 40_000])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(EnrolmentError):
        read_request(content)


@settings(max_examples=150)
@given(changed=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=3))
def test_no_certificate_request_breaks_the_reader(
    consortium: Consortium, keys: Keys, changed: list[tuple[int, int]]
) -> None:
    """Everything around it is signed, as a hostile participant would."""
    mine = keys["hospital-1"]
    outer = json.loads(make_request(consortium, consortium.participant("hospital-1"), mine))
    body = json.loads(outer["body"])
    der = bytearray(load_pem_x509_csr(body["certificate_request"].encode()).public_bytes(Encoding.DER))
    for place, value in changed:
        der[place % len(der)] = value
    lines = base64.encodebytes(bytes(der)).decode()
    body["certificate_request"] = f"-----BEGIN CERTIFICATE REQUEST-----\n{lines}-----END CERTIFICATE REQUEST-----\n"
    outer["body"] = json.dumps(body)
    outer["signature"] = sign(mine.signing, Domain.ENROLMENT_REQUEST, outer["body"].encode()).hex()
    message = Domain.ENROLMENT_ACCOUNT.tag + outer["body"].encode()
    outer["account_signature"] = PrivateKey(mine.account.key).sign_recoverable(message).hex()
    with contextlib.suppress(EnrolmentError):
        read = read_request(json.dumps(outer).encode())
        assert read.public.public_numbers() == mine.tls.public_key().public_numbers()


@settings(max_examples=60)
@given(position=st.integers(min_value=0, max_value=2000), bit=st.integers(min_value=0, max_value=7))
def test_no_flipped_bit_passes(request_bytes: bytes, position: int, bit: int) -> None:
    """Flips in the layout's blanks and in the case of hexadecimal digits change nothing, so they may pass."""
    altered = bytearray(request_bytes)
    altered[position % len(altered)] ^= 1 << bit
    try:
        read = read_request(bytes(altered))
    except EnrolmentError:
        return
    assert read.body == read_request(request_bytes).body
