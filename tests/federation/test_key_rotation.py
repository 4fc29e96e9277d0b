"""A hospital that replaces its signing key on the ledger is believed under the new one, and no longer under the old."""

from collections.abc import Callable
from typing import Any

import pytest

from mithridate.crypto.keys import generate, public_to_bytes


@pytest.fixture
def federation(federation_of: Callable[..., Any], lenient: dict[str, Any]) -> Any:
    return federation_of(defence=lenient)


def test_the_key_in_force_on_the_ledger_decides(federation: Any) -> None:
    assert federation.play().verdicts["hospital-1"] == "accepted"
    rotated, forgetful = federation.parties.hospitals[1], federation.parties.hospitals[2]
    for hospital in (rotated, forgetful):
        key = generate()
        hospital._ledger.register_keys(signing_key=public_to_bytes(key.public_key()))
        if hospital is rotated:
            hospital._key = key
    verdicts = federation.play().verdicts
    assert verdicts["hospital-1"] == "accepted"
    assert verdicts["hospital-2"] == "signature"
