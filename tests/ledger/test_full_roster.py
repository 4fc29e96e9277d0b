"""As many hospitals as a study may have: enrolled, read, judged and suspended."""

import copy
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mithridate.errors import RuleViolation
from mithridate.ledger.accounts import Account, new_account
from mithridate.ledger.embedded_network import CALL_GAS
from mithridate.ledger.interface import MAX_HOSPITALS, Phase
from mithridate.ledger.rules import SENTENCES
from mithridate.verification.verdict import Rule

Scene = Any
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("full-roster")]


def refused(reason: str) -> Any:
    return pytest.raises(RuleViolation, match=re.escape(SENTENCES[reason]))


@pytest.fixture(scope="module")
def enrolled(scene_type: type, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scene, list[Account]]:
    """A closed ledger with a full roster, not begun, and the accounts of hospitals 4 and on; its file is copied."""
    made = scene_type(tmp_path_factory.mktemp("full") / "ledger.sqlite")
    made.enrol()
    made.register()
    accounts = [new_account() for _ in range(4, MAX_HOSPITALS)]
    with made.chain.block():
        for index, account in enumerate(accounts, 4):
            made.enrol_hospital(account.address, index, index)
    made.chain.close()
    return made, accounts


@pytest.fixture
def full(enrolled: tuple[Scene, list[Account]], tmp_path: Path) -> Iterator[Scene]:
    """A study that has just begun with a full roster."""
    closed, accounts = enrolled
    made = copy.copy(closed)
    made.path = Path(shutil.copy(closed.path, tmp_path / "ledger.sqlite"))
    made.reopen()
    made.hospitals += [made.chain.as_party(account) for account in accounts]
    with refused("roster is full"):
        made.enrol_hospital(made.stranger.address, 0)
    made.begin()
    yield made
    made.chain.close()


def test_a_full_roster_is_read_and_judged(full: Scene) -> None:
    assert [record.records for record in full.stranger.hospitals()[4:]] == list(range(4, MAX_HOSPITALS))
    full.attempt_to("drawn")
    verdicts = b"\0\0\1\0" + b"\1" * (MAX_HOSPITALS - 4)
    with refused("not submitted but not absent"):
        full.validators[0].attest_verdicts(1, 0, verdicts[:-1] + b"\2")
    full.bind(verdicts=verdicts)
    assert (full.chain.latest().phase, full.chain.latest().verdicts) == (Phase.BOUND, verdicts)


def test_every_hospital_can_be_suspended_within_the_gas_of_a_call(
    full: Scene, watched: Callable[[Any], list[Any]]
) -> None:
    out = set(range(MAX_HOSPITALS)) - {0, 255, 256, 257, 1023}
    verdicts = bytes(Rule.SUSPENDED if index in out else Rule.ACCEPTED for index in range(MAX_HOSPITALS))
    full.open()
    full.commit()
    full.submit(by=range(MAX_HOSPITALS))
    full.close()
    full.reveal()
    receipts = watched(full.chain)
    full.bind(verdicts=verdicts)
    assert full.chain.latest().phase == Phase.BOUND
    assert full.stranger.suspended() == out
    # Each of the two calls had a block of its own, so these are the gas of one call.
    assert max(receipt.gas_used for receipt in receipts) * 10 < CALL_GAS
    full.finalise()
    full.release()
    full.attempt_to("committed", 2)
    for index in (1, 254, 258, 511, 512, 1022):
        with refused("suspended"):
            full.hospitals[index].submit(2, 0, full.digest(index, 2))
    full.submit(2, by=(0, 255, 256, 257, 1023))
    assert full.chain.latest().submissions.keys() == {0, 255, 256, 257, 1023}
