import hashlib

import pytest
from eth_account import Account as Signer
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from mithridate.errors import InputError
from mithridate.ledger.accounts import CURVE_ORDER, account_from_key, new_account


@given(st.integers(1, CURVE_ORDER - 1))
def test_the_address_is_the_one_another_library_derives(scalar: int) -> None:
    key = scalar.to_bytes(32, "big")
    assert account_from_key(key).address == Signer.from_key(key).address


def test_a_known_key_has_its_published_address() -> None:
    # The account of Keccak-256("cow"), widely used in tests of Ethereum clients.
    assert account_from_key(keccak(b"cow")).address == "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"


def test_new_accounts_differ_and_can_be_restored_from_their_keys() -> None:
    accounts = [new_account() for _ in range(20)]
    assert len({account.address for account in accounts}) == 20
    assert all(account_from_key(account.key) == account for account in accounts)


def test_the_key_stays_out_of_print() -> None:
    key = hashlib.sha256(b"key").digest()
    account = account_from_key(key)
    assert repr(account) == f"Account(address='{account.address}')"


def test_a_key_outside_the_group_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([bytes(32), b"\xff" * 32, CURVE_ORDER.to_bytes(32, "big"), bytes([1]) * 32])
    monkeypatch.setattr("mithridate.ledger.accounts.token_bytes", lambda size: next(draws))
    assert new_account().key == bytes([1]) * 32


@pytest.mark.parametrize(
    "key", [b"", bytes([1]) * 31, bytes([1]) * 33, bytes(32), b"\xff" * 32, CURVE_ORDER.to_bytes(32, "big")]
)
def test_what_is_no_key_makes_no_account(key: bytes) -> None:
    with pytest.raises(InputError, match="account key"):
        account_from_key(key)
