"""The ledger of a study on one machine: the contracts on py-evm, journalled in SQLite, replayed at opening."""

from pathlib import Path

from mithridate.errors import JournalAltered, LedgerError
from mithridate.ledger.accounts import Account
from mithridate.ledger.deployment import CONTRACTS, Deployment, StudyTerms, check, deploy
from mithridate.ledger.embedded_network import EmbeddedNetwork, contract_address
from mithridate.ledger.replay import Replay
from mithridate.ledger.shared import SharedLedger


class EmbeddedLedger(SharedLedger):
    """One study's chain in this process; many parties and threads may use it at once."""

    @classmethod
    def create(cls, path: Path, administrator: Account, terms: StudyTerms) -> "EmbeddedLedger":
        """A new ledger in the file `path`, its contracts deployed by the administrator.

        Args:
            path: must not exist.
            administrator: deploys the contracts and enrols coordinator and validators.
            terms: what the study fixes.

        Raises:
            RuleViolation: a contract refuses these terms.
            LedgerError: the file exists or cannot be written, or a value has the wrong length.
        """

        def first(network: EmbeddedNetwork) -> None:
            deploy(network, administrator, terms)

        return cls(EmbeddedNetwork.create(path, first), _deployed_by(administrator.address))

    @classmethod
    def open(cls, path: Path, replay: Replay = "snapshot") -> "EmbeddedLedger":
        """The ledger in the file `path`, every row checked; see `EmbeddedNetwork.open`.

        Raises:
            JournalAltered: a row is not as it was written; the message names it.
            LedgerError: there is no such file, or it was written with another version of the contracts.
        """
        return cls._on(EmbeddedNetwork.open(path, replay))

    @classmethod
    def salvage(cls, path: Path) -> tuple["EmbeddedLedger", JournalAltered | None]:
        """What can be read of a damaged ledger, and what is altered; see `EmbeddedNetwork.salvage`.

        Raises:
            JournalAltered: not even the first block can be read.
            LedgerError: there is no such file, or it was written with another version of the contracts.
        """
        network, altered = EmbeddedNetwork.salvage(path)
        return cls._on(network), altered

    @classmethod
    def _on(cls, network: EmbeddedNetwork) -> "EmbeddedLedger":
        try:
            administrator = network.first_sender()
            if administrator is None:
                raise JournalAltered("block 1 is missing: the journal holds no contract")
            deployment = _deployed_by(administrator)
            check(network, deployment)
        except LedgerError:
            network.close()
            raise
        return cls(network, deployment)


def _deployed_by(administrator: str) -> Deployment:
    # A chain of its own: the contracts are the first things that the administrator puts there.
    return Deployment({name: contract_address(administrator, number) for number, name in enumerate(CONTRACTS)})
