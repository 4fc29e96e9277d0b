"""The embedded ledger's machine beside unmodified py-evm: the same transactions make the same chain, to the last byte.

A header names the roots of the state, the transactions and the receipts, the gas and the bloom filter: where two hashes
of blocks are equal, all of these are.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth.abc import BlockHeaderAPI
from eth.chains.base import Chain
from eth.vm.forks import ParisVM
from eth_abi.abi import encode
from eth_account import Account as Signer
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from vyper import compile_code
from vyper.compiler.settings import Settings

from mithridate.errors import LedgerError
from mithridate.evaluation.ledger.long_study import long_study
from mithridate.ledger import chain as embedded
from mithridate.ledger.accounts import Account, account_from_key
from mithridate.ledger.chain import CHAIN_ID, NO_ADDRESS, EmbeddedChain
from mithridate.ledger.embedded_network import contract_address
from mithridate.ledger.journal import Journal
from mithridate.ledger.network import Reverted
from mithridate.ledger.replay import replay

SENDERS = [account_from_key(bytes([number]) * 32) for number in (1, 2)]
SALT, START, GAS = b"\3" * 32, 1_700_000_000, 5_000_000
CONTRACT = """
event Noted:
    place: indexed(uint256)
    value: uint256

interface Copy:
    def put(places: DynArray[uint256, 4], numbers: DynArray[uint256, 4]): nonpayable
    def end(): nonpayable

values: public(HashMap[uint256, uint256])
plain: uint256[4]

@internal
def _put(places: DynArray[uint256, 4], numbers: DynArray[uint256, 4]):
    for place: uint256 in places:
        number: uint256 = numbers[place % len(numbers)]
        self.values[place] = number
        self.plain[place % 4] = number
        log Noted(place=place, value=number)

@external
def put(places: DynArray[uint256, 4], numbers: DynArray[uint256, 4]):
    self._put(places, numbers)

@external
def refuse(places: DynArray[uint256, 4], numbers: DynArray[uint256, 4]):
    self._put(places, numbers)
    raise "refused"

@external
def attempt(places: DynArray[uint256, 4], numbers: DynArray[uint256, 4]):
    self.values[77] += 1
    data: Bytes[1024] = abi_encode(places, numbers, method_id=method_id("refuse(uint256[],uint256[])"))
    assert not raw_call(self, data, revert_on_failure=False)
    self.values[78] += self.values[77]

@external
def copy(places: DynArray[uint256, 4], numbers: DynArray[uint256, 4]):
    made: address = create_minimal_proxy_to(self, salt=convert(len(places), bytes32))
    extcall Copy(made).put(places, numbers)

@external
def end_copy(made: address):
    extcall Copy(made).end()

@external
def end():
    selfdestruct(msg.sender)
"""


class PlainVM(ParisVM):  # type: ignore[misc]
    """py-evm's machine, which shares with the embedded ledger's only that blocks may share a second."""

    @classmethod
    def validate_header(cls, header: BlockHeaderAPI, parent_header: BlockHeaderAPI) -> None:
        if header.timestamp == parent_header.timestamp:
            parent_header = parent_header.copy(timestamp=parent_header.timestamp - 1)
        super().validate_header(header, parent_header)


class PlainEVM(Chain):  # type: ignore[misc]
    chain_id = CHAIN_ID
    vm_configuration = ((0, PlainVM),)


def plainly(make: Callable[[], EmbeddedChain]) -> EmbeddedChain:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "EmbeddedEVM", PlainEVM)
        return make()


@pytest.fixture(scope="module")
def creation() -> bytes:
    with warnings.catch_warnings():
        # The contract destroys itself, which no new contract should.
        warnings.simplefilter("ignore")
        output = compile_code(CONTRACT, output_formats=["bytecode"], settings=Settings(evm_version="london"))
    return bytes.fromhex(output["bytecode"][2:])


class Twins:
    """A chain on the ledger's machine and one on py-evm's, given the same."""

    def __init__(self, creation: bytes) -> None:
        self.chains = [EmbeddedChain.genesis(START, SALT), plainly(lambda: EmbeddedChain.genesis(START, SALT))]
        self.headers: list[bytes] = [self.chains[0].head_header]
        self.contract = to_canonical_address(contract_address(SENDERS[0].address, 0))
        self.open()
        self.send(0, b"", creation)
        self.seal()

    def same(self, ask: Callable[[EmbeddedChain], Any]) -> Any:
        answers = [_answered(ask, chain) for chain in self.chains]
        assert answers[0] == answers[1]
        return answers[0]

    def open(self) -> None:
        self.same(lambda chain: chain.open_block(chain.timestamp))

    def send(self, sender: int, to: bytes, data: bytes) -> None:
        account = SENDERS[sender]
        nonce = self.same(lambda chain: chain.nonce(to_canonical_address(account.address)))
        raw = _signed(account, nonce, to, data)
        self.same(lambda chain: chain.apply(raw))

    def call(self, function: str, places: list[int], numbers: list[int], sender: int = 0) -> None:
        if function == "end_copy":
            arguments = encode(["address"], [self.copy(len(places))])
            self.send(sender, self.contract, keccak(b"end_copy(address)")[:4] + arguments)
            return
        arguments = encode(["uint256[]", "uint256[]"], [places, numbers])
        self.send(sender, self.contract, keccak(f"{function}(uint256[],uint256[])".encode())[:4] + arguments)

    def copy(self, salt: int) -> bytes:
        """EIP-1014 and EIP-1167, as Vyper makes them."""
        body = bytes.fromhex("363d3d373d3d3d363d73") + self.contract + bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
        creation = bytes.fromhex("602d3d8160093d39f3") + body
        return keccak(b"\xff" + self.contract + salt.to_bytes(32, "big") + keccak(creation))[12:]

    def read(self) -> list[Any]:
        answers = []
        for address in (self.contract, *(self.copy(salt) for salt in range(5))):
            for place in (0, 1, 77, 78):
                data = keccak(b"values(uint256)")[:4] + place.to_bytes(32, "big")
                answers.append(
                    self.same(lambda chain, to=address, data=data: chain.call(NO_ADDRESS, to, data, chain.timestamp))
                )
            answers.append(self.same(lambda chain, at=address: chain.code(at)))
        return answers

    def seal(self) -> None:
        sealed = self.same(lambda chain: chain.seal())
        if sealed is not None:
            self.headers.append(sealed.header)

    def resume(self) -> None:
        nodes = self.same(lambda chain: chain.state_nodes(()))
        self.chains = [
            EmbeddedChain.resumed(self.headers, nodes),
            plainly(lambda: EmbeddedChain.resumed(self.headers, nodes)),
        ]


def _signed(account: Account, nonce: int, to: bytes, data: bytes) -> bytes:
    fields = {"nonce": nonce, "gasPrice": 0, "gas": GAS, "value": 0, "data": data, "chainId": CHAIN_ID}
    return bytes(Signer.sign_transaction(fields | ({"to": to} if to else {}), account.key).raw_transaction)


def _answered(ask: Callable[[EmbeddedChain], Any], chain: EmbeddedChain) -> Any:
    try:
        return ask(chain)
    except (Reverted, LedgerError) as error:
        return type(error), str(error), getattr(error, "output", None)


@pytest.fixture
def twins(creation: bytes) -> Twins:
    return Twins(creation)


CALLS = st.tuples(
    st.sampled_from(["put", "refuse", "attempt", "copy", "end_copy"]),
    st.lists(st.integers(0, 6), min_size=1, max_size=4),
    st.lists(st.sampled_from([0, 0, 1, 2**256 - 1]), min_size=1, max_size=4),
    st.integers(0, 1),
)
BLOCKS = st.tuples(st.lists(CALLS, max_size=6), st.sampled_from(["seal", "seal", "drop", "resume"]))
COPIED: tuple[Any, str] = ([("copy", [1], [5], 0)], "seal")
ENDED: tuple[Any, str] = ([("end_copy", [1], [5], 0)], "seal")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(blocks=st.lists(BLOCKS, max_size=6))
@example(blocks=[COPIED, ENDED, COPIED, ([("end_copy", [1], [5], 0), ("copy", [1], [6], 1)], "seal"), ENDED])
@example(
    blocks=[([("put", [1, 2], [5], 0)], "drop"), ([("put", [1], [6], 0)], "seal"), ([("put", [1], [0], 0)], "seal")]
)
def test_any_calls_make_the_same_chain(creation: bytes, blocks: list[tuple[Sequence[Any], str]]) -> None:
    twins = Twins(creation)
    for calls, end in blocks:
        before = twins.read()
        twins.open()
        for call in calls:
            twins.call(*call)
            twins.read()
        if end == "drop":
            twins.same(lambda chain: chain.drop_block())
            assert twins.read() == before
        else:
            twins.seal()
        if end == "resume":
            twins.resume()
    twins.read()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 120), bits=st.integers(1, 255))
@example(place=-1, bits=255)
@example(place=-33, bits=255)
def test_an_altered_transaction_is_answered_alike(twins: Twins, place: int, bits: int) -> None:
    account = SENDERS[0]
    nonce = twins.chains[0].nonce(to_canonical_address(account.address))
    raw = bytearray(_signed(account, nonce, twins.contract, b"data"))
    raw[place % len(raw)] ^= bits
    twins.open()
    twins.same(lambda chain: chain.apply(bytes(raw)))
    twins.same(lambda chain: chain.drop_block())


def test_a_signature_that_no_key_makes_is_refused_alike(twins: Twins) -> None:
    # No point of the curve has this coordinate (x = 5).
    fields = [1, 0, GAS, twins.contract, 0, b"", 35 + 2 * CHAIN_ID, 5, 1]
    twins.open()
    kind, message, _ = twins.same(lambda chain: chain.apply(rlp.encode(fields)))
    twins.same(lambda chain: chain.drop_block())
    assert kind is LedgerError
    assert "not a signed transaction" in message


def test_funds_move_as_under_py_evm(twins: Twins) -> None:
    def moved(chain: EmbeddedChain) -> tuple[int, bytes]:
        state = chain.machine_next(START).state
        for address, change in ((b"\1" * 20, 7), (b"\1" * 20, -3), (b"\2" * 20, 4)):
            state.delta_balance(address, change)
        return state.get_balance(b"\1" * 20), state.make_state_root()

    assert twins.same(moved)[0] == 4


def test_a_study_replays_under_py_evm_itself(tmp_path: Path) -> None:
    long_study(tmp_path / "ledger.sqlite", rounds=3, hospitals=4)
    journal = Journal.open(tmp_path / "ledger.sqlite")
    try:
        chain = plainly(lambda: replay(journal.reader, "all").chain)
        assert chain.head_header == replay(journal.reader, "snapshot").chain.head_header
        assert chain.height > 20
    finally:
        journal.close()
