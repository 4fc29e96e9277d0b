import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithridate.crypto import commitment
from mithridate.crypto.domains import Domain
from mithridate.errors import ShareMismatch

VECTORS = json.loads((Path(__file__).parent / "vectors" / "commitment.json").read_text())
DOMAIN = Domain(VECTORS["domain"].encode())
NONCE, PAYLOAD = bytes.fromhex(VECTORS["nonce"]), bytes.fromhex(VECTORS["payload"])


def test_a_commitment_is_that_of_the_reference() -> None:
    assert commitment.commit(DOMAIN, NONCE, PAYLOAD).hex() == VECTORS["commitment"]
    commitment.verify(bytes.fromhex(VECTORS["commitment"]), DOMAIN, NONCE, PAYLOAD)


def test_a_commitment_to_a_seed_is_that_of_the_reference() -> None:
    seed = VECTORS["seed"]
    made = commitment.commit(Domain(seed["domain"].encode()), NONCE, bytes.fromhex(seed["payload"]))
    assert made.hex() == seed["commitment"]


@pytest.mark.parametrize("name", VECTORS["forged"])
def test_a_forged_commitment_is_refused(name: str) -> None:
    with pytest.raises(ShareMismatch, match="component_2"):
        commitment.verify(bytes.fromhex(VECTORS["forged"][name]), DOMAIN, NONCE, PAYLOAD)


@given(st.binary(max_size=64), st.integers(0, 64))
def test_parts_are_hashed_as_one_string_of_any_buffers(payload: bytes, cut: int) -> None:
    whole = commitment.commit(DOMAIN, NONCE, payload)
    assert commitment.commit(DOMAIN, NONCE, memoryview(payload)[:cut], bytearray(payload[cut:])) == whole
    assert commitment.commit(DOMAIN, NONCE, np.frombuffer(payload, np.uint8).data) == whole


def test_nonces_are_fresh_and_hide_the_payload() -> None:
    first, second = commitment.fresh_nonce(), commitment.fresh_nonce()
    assert first != second
    assert commitment.commit(DOMAIN, first, PAYLOAD) != commitment.commit(DOMAIN, second, PAYLOAD)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_nonce_or_random_value_is_32_bytes(size: int) -> None:
    with pytest.raises(ShareMismatch, match="32 bytes"):
        commitment.commit(DOMAIN, bytes(size), PAYLOAD)
    with pytest.raises(ShareMismatch, match="32 bytes"):
        commitment.commit_randomness(bytes(size))


def test_committed_randomness_is_what_the_contract_computes() -> None:
    randomness = VECTORS["randomness"]
    assert commitment.commit_randomness(bytes.fromhex(randomness["value"])).hex() == randomness["commitment"]
