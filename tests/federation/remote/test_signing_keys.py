"""Which key the coordinator goes by, as the ledger's changes."""

import logging
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from mithridate.crypto.keys import PrivateKey, generate, public_to_bytes
from mithridate.errors import LedgerError, SignatureInvalid
from mithridate.federation.remote import signing_keys
from mithridate.federation.remote.signing_keys import SigningKeys, await_answer
from mithridate.federation.remote.wire import Topic, make_request, open_request
from mithridate.ledger.interface import Phase
from mithridate.ledger.interface import Role as LedgerRole
from mithridate.provisioning.consortium import Participant, Role
from mithridate.provisioning.request import PublicKeys
from mithridate.provisioning.roster import Member, Roster

STUDY = b"s" * 32
ROLES = {
    "coordinator": Role.COORDINATOR,
    "validator-1": Role.VALIDATOR,
    "hospital-1": Role.HOSPITAL,
    "curator": Role.CURATOR,
}
KEYS = {name: generate() for name in ROLES}


def address(name: str) -> str:
    return "0x" + f"{list(ROLES).index(name):040X}"


def hexadecimal(key: PrivateKey) -> str:
    return public_to_bytes(key.public_key()).hex()


def member(name: str) -> Member:
    place = {"host": "localhost", "port": 1000 + len(name)} if ROLES[name].listens else {}
    return Member(
        participant=Participant(name=name, role=ROLES[name], organisation="clinic", **place),
        keys=PublicKeys(
            signing_key=hexadecimal(KEYS[name]), envelope_key=hexadecimal(KEYS[name]), account=address(name)
        ),
        serial="ab",
        certificate="0" * 64,
        expires=0,
    )


ROSTER = Roster(
    consortium="clinics",
    coordinator=member("coordinator").participant,
    members=tuple(member(name) for name in ROLES),
)


class Ledger:
    """What is read of a ledger: members with their signing keys."""

    def __init__(self) -> None:
        self.registered = {"hospital-1": public_to_bytes(KEYS["hospital-1"].public_key()), "validator-1": b""}
        self.reads = 0
        self.down = False

    def members(self, role: LedgerRole) -> list[Any]:
        self.reads += 1
        if self.down:
            raise LedgerError("no node answers")
        names = {LedgerRole.HOSPITAL: ["hospital-1"], LedgerRole.VALIDATOR: ["validator-1"]}[role]
        return [SimpleNamespace(address=address(name).lower(), signing_key=self.registered[name]) for name in names] + [
            SimpleNamespace(address="0x" + "f" * 40, signing_key=b"\2" * 33)
        ]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def keys(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> SigningKeys:
    monkeypatch.setattr(signing_keys, "FRESH_S", 0.0)
    return SigningKeys(ROSTER, ledger)  # type: ignore[arg-type]


def test_whoever_has_no_key_on_the_ledger_has_the_rosters(keys: SigningKeys) -> None:
    assert list(keys) == list(ROLES)
    for name, mine in KEYS.items():
        assert keys[name].public_numbers() == mine.public_key().public_numbers()
    assert "somebody" not in keys
    with pytest.raises(KeyError):
        keys["somebody"]


@pytest.mark.parametrize("name", ["hospital-1", "validator-1"])
def test_a_request_counts_under_the_key_that_the_ledger_holds(keys: SigningKeys, ledger: Ledger, name: str) -> None:
    new = generate()
    ledger.registered[name] = public_to_bytes(new.public_key())
    request = make_request(STUDY, name, new, 1, Topic.MODEL, (b"h",))
    assert open_request(request, STUDY, keys, 10_000).sender == name
    with pytest.raises(SignatureInvalid):
        open_request(make_request(STUDY, name, KEYS[name], 2, Topic.MODEL, (b"h",)), STUDY, keys, 10_000)


def test_the_ledger_is_not_read_for_each_request(ledger: Ledger) -> None:
    held = SigningKeys(ROSTER, ledger)  # type: ignore[arg-type]
    for _ in range(50):
        _ = held["hospital-1"]
    assert ledger.reads == 2


def test_a_ledger_that_is_down_leaves_the_keys_in_force(
    keys: SigningKeys, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    new = generate()
    ledger.registered["hospital-1"] = public_to_bytes(new.public_key())
    _ = keys["hospital-1"]
    ledger.down = True
    with caplog.at_level(logging.WARNING):
        assert keys["hospital-1"].public_numbers() == new.public_key().public_numbers()
    assert "signing keys read before stay in force: no node answers" in caplog.text
    with pytest.raises(LedgerError):
        SigningKeys(ROSTER, ledger)  # type: ignore[arg-type]


@pytest.mark.parametrize("registered", [b"\2" + b"\xff" * 32, b"\4" + bytes(64), b"x"])
def test_what_is_no_key_lets_nobody_in(keys: SigningKeys, ledger: Ledger, registered: bytes) -> None:
    ledger.registered["hospital-1"] = registered
    with pytest.raises(SignatureInvalid, match="the signing key of hospital-1 on the ledger is no key"):
        keys["hospital-1"]
    assert keys["curator"].public_numbers() == KEYS["curator"].public_key().public_numbers()


class Rounds:
    """A ledger whose attempt holds the hospital's message until it is over."""

    def __init__(self, *phases: Phase | None, submitted: bool = True) -> None:
        self.phases = list(phases)
        self.submissions = {0: b"digest"} if submitted else {}

    def hospitals(self) -> list[Any]:
        return [SimpleNamespace(index=0, address=address("hospital-1"))]

    def latest(self) -> Any:
        phase = self.phases.pop(0)
        return None if phase is None else SimpleNamespace(round=1, attempt=0, phase=phase, submissions=self.submissions)


@pytest.mark.parametrize(
    ("rounds", "looks"),
    [
        (Rounds(None), 1),
        (Rounds(Phase.RELEASED), 1),
        (Rounds(Phase.SUBMITTING, submitted=False), 1),
        (Rounds(Phase.SUBMITTING, Phase.DRAWN, Phase.BOUND, Phase.FINAL, Phase.ROLLED_BACK), 5),
        (Rounds(Phase.CLOSED, Phase.VOID), 2),
    ],
)
def test_a_new_key_waits_for_the_verdict_on_a_message_under_the_old(
    rounds: Rounds, looks: int, caplog: pytest.LogCaptureFixture
) -> None:
    before = len(rounds.phases)
    with caplog.at_level(logging.INFO):
        await_answer(rounds, address("hospital-1").lower(), 0.0)  # type: ignore[arg-type]
    assert before - len(rounds.phases) == looks
    assert caplog.text.count("waits for the end of round 1 attempt 0") == (looks > 1)


def test_many_threads_read_one_at_a_time(keys: SigningKeys, ledger: Ledger) -> None:
    reading, most = [0], [0]
    read = ledger.members

    def slowly(role: LedgerRole) -> list[Any]:
        reading[0] += 1
        most[0] = max(most[0], reading[0])
        threading.Event().wait(0.01)
        reading[0] -= 1
        return read(role)

    ledger.members = slowly  # type: ignore[method-assign]
    threads = [threading.Thread(target=keys.__getitem__, args=("hospital-1",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
