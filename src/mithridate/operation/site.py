"""The participant under examination; what several checks look at is opened once, by the first that needs it."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mithridate.errors import EnrolmentError
from mithridate.ledger.accounts import new_account
from mithridate.ledger.client import ContractLedger
from mithridate.ledger.deployment import Deployment
from mithridate.ledger.endpoint import Endpoint
from mithridate.ledger.evm import EvmNetwork
from mithridate.provisioning.consortium import Participant, Role
from mithridate.provisioning.enrolment import read_enrolment
from mithridate.provisioning.keys import ParticipantKeys, read_keys
from mithridate.provisioning.kit import MEMBER_FILE
from mithridate.provisioning.ledger_terms import LedgerTerms
from mithridate.provisioning.manifest import MAX_FILE_BYTES, STARTUP
from mithridate.provisioning.opened_kit import Kit, in_use, open_kit
from mithridate.provisioning.private_files import read_bounded
from mithridate.provisioning.roster import Member
from mithridate.provisioning.settings import read_settings
from mithridate.provisioning.study_inputs import StudyInputs
from mithridate.study import Study

if TYPE_CHECKING:
    from mithridate.federation.material import Material

Part = TypeVar("Part")
ANSWER_S = 5.0
"""For one answer over the network; a check gives up after twice as long."""


class Site:
    """A participant by its kit. Nothing is opened before it is asked for, and nothing is changed.

    Args:
        folder: the kit's.
        password: tells the keys' password, or raises a MithridateError.
        now: the machine's clock, with its time zone.
    """

    def __init__(
        self, folder: Path, password: Callable[[], str], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.folder = folder.resolve()
        self._password = password
        self.now = now

    @cached_property
    def keys_folder(self) -> Path:
        """Where the private keys lie."""
        return Path(os.path.normpath(self.folder / read_settings(self.folder).keys))

    @cached_property
    def kit(self) -> Kit:
        """The kit; raises what `open_kit` does."""
        return open_kit(self.folder, read_enrolment(self.keys_folder).authority, now=self.now())

    @cached_property
    def keys(self) -> ParticipantKeys:
        """The private keys; raises what `read_keys` does."""
        return read_keys(self.keys_folder, self._password())

    @cached_property
    def role(self) -> Role | None:
        """Which role the kit is for, by its own unchecked word; None where it does not even say that."""
        try:
            file = read_bounded(self.folder / STARTUP / MEMBER_FILE, MAX_FILE_BYTES, "a participant")
            return Member.model_validate_json(file).participant.role
        except (EnrolmentError, ValueError):
            return None

    @property
    def participant(self) -> Participant:
        """What the consortium file says of it."""
        return self.kit.member.participant

    @property
    def state(self) -> Path:
        """The folder for what has to outlive a restart, which may not exist yet."""
        return Path(os.path.normpath(self.kit.path(self.kit.settings.state)))

    @property
    def running(self) -> bool:
        """Whether the participant runs on this machine now."""
        return in_use(self.folder)

    @property
    def study(self) -> Study:
        """Which study; raises EnrolmentError where the kit has none."""
        return _known(self.kit.study, self.folder)

    @property
    def inputs(self) -> StudyInputs:
        """What its model takes; raises EnrolmentError where the kit does not say."""
        return _known(self.kit.inputs, self.folder)

    @property
    def terms(self) -> LedgerTerms:
        """Where its contracts lie; raises EnrolmentError where the kit does not say."""
        return _known(self.kit.terms, self.folder)

    @cached_property
    def endpoints(self) -> list[Endpoint]:
        """The nodes of the ledger's network, in the settings' order."""
        return [Endpoint(url, ANSWER_S) for url in dict.fromkeys(self.kit.settings.ledger.endpoints)]

    @cached_property
    def network(self) -> EvmNetwork:
        """The ledger's network, as the participant will use it, but less patient."""
        ledger = self.kit.settings.ledger
        return EvmNetwork(ledger.endpoints, finality=ledger.finality, agreement=ledger.agreement, timeout=2 * ANSWER_S)

    @cached_property
    def ledger(self) -> ContractLedger:
        """The study's ledger, for reading."""
        return ContractLedger(self.network, Deployment(self.terms.addresses), new_account())

    @cached_property
    def material(self) -> "Material":
        """The study's public part."""
        from mithridate.federation.material import Material

        return Material.of(self.study, self.inputs.model, self.inputs.reference_records)


def _known(part: Part | None, folder: Path) -> Part:
    if part is None:
        raise EnrolmentError(f"{folder} was written before the study was deployed: ask for a new kit")
    return part
