import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithridate.crypto import keys, signing
from mithridate.crypto.domains import Domain
from mithridate.errors import SignatureInvalid

VECTORS = json.loads((Path(__file__).parent / "vectors" / "signature.json").read_text())
KEY, OTHER = keys.generate(), keys.generate()
DOMAIN = Domain.SUBMISSION_SIGNATURE


@pytest.mark.parametrize("name", VECTORS["cases"])
def test_signatures_of_the_reference(name: str) -> None:
    public, case = keys.public_from_bytes(bytes.fromhex(VECTORS["public"])), VECTORS["cases"][name]
    arguments = Domain(VECTORS["domain"].encode()), bytes.fromhex(VECTORS["message"]), bytes.fromhex(case["signature"])
    if case["accepted"]:
        signing.verify(public, *arguments)
    else:
        with pytest.raises(SignatureInvalid):
            signing.verify(public, *arguments)


@given(st.binary(max_size=200))
def test_what_was_signed_verifies_under_that_key_domain_and_message_only(message: bytes) -> None:
    signature = signing.sign(KEY, DOMAIN, message)
    assert len(signature) == signing.SIGNATURE_BYTES
    assert signature == signing.sign(KEY, DOMAIN, message)
    signing.verify(KEY.public_key(), DOMAIN, message, signature)
    for public, domain, text in (
        (OTHER.public_key(), DOMAIN, message),
        (KEY.public_key(), Domain.SUBMISSION_DIGEST, message),
        (KEY.public_key(), DOMAIN, message + b"\0"),
    ):
        with pytest.raises(SignatureInvalid):
            signing.verify(public, domain, text, signature)


@given(st.binary(max_size=130))
def test_noise_is_no_signature(noise: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        signing.verify(KEY.public_key(), DOMAIN, b"message", noise)
