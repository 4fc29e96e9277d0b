"""Transactions signed here are byte for byte those that eth-account signs."""

from eth_account import Account as Signer
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from mithridate.ledger.signing import FreeTransaction

KEYS = st.binary(min_size=32, max_size=32).filter(lambda key: 0 < int.from_bytes(key, "big") < 2**255)


@given(
    key=KEYS,
    nonce=st.integers(0, 2**40),
    to=st.one_of(st.just(b""), st.binary(min_size=20, max_size=20)),
    data=st.binary(max_size=300),
    chain_id=st.integers(1, 2**40),
)
def test_a_signed_transaction_is_the_one_of_eth_account(
    key: bytes, nonce: int, to: bytes, data: bytes, chain_id: int
) -> None:
    fields = {"nonce": nonce, "gasPrice": 0, "gas": 50_000_000, "value": 0, "data": data, "chainId": chain_id}
    if to:
        fields["to"] = to_checksum_address(to)
    signed = FreeTransaction(nonce, 50_000_000, to, data, chain_id).signed(key)
    assert signed == bytes(Signer.sign_transaction(fields, key).raw_transaction)
