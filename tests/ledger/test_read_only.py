"""A state of the past is asked, and refuses every change."""

from collections.abc import Callable
from typing import Any

import pytest

from mithridate.errors import LedgerError
from mithridate.ledger.accounts import new_account
from mithridate.ledger.chronicle_embedded import JournalChronicle
from mithridate.ledger.network import Network

Scene = Any
STUDY = "0x" + "00" * 20
CHANGES: dict[str, Callable[[Network], object]] = {
    "transact": lambda state: state.transact(new_account(), STUDY, b""),
    "deploy": lambda state: state.deploy(new_account(), b""),
    "block": lambda state: state.block(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_state_of_a_journal_refuses_a_change(scene: Scene, change: str) -> None:
    scene.enrol()
    scene.chain.close()
    chronicle = JournalChronicle(scene.path)
    heights = [block.number for block in chronicle.blocks()]
    state = chronicle.state()
    with pytest.raises(LedgerError, match="for reading only"):
        CHANGES[change](state)
    assert state.height() == heights[-1]
    chronicle.close()
