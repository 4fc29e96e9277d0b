"""The administrator's part: a study's contracts, its roster and its beginning on the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mithridate.crypto.keys import public_to_bytes
from mithridate.errors import RunError
from mithridate.federation.material import Material
from mithridate.ledger.accounts import Account
from mithridate.ledger.deployment import GRACE_S, StudyTerms
from mithridate.ledger.interface import Role as LedgerRole
from mithridate.ledger.run_ledger import STUDY_FILE, has_ledger, new_ledger
from mithridate.models.files import to_safetensors
from mithridate.provisioning.consortium import Role
from mithridate.provisioning.roster import Member, Roster
from mithridate.provisioning.study_inputs import INPUTS_FILE, StudyInputs
from mithridate.study import Study


@dataclass(frozen=True)
class Enrolled:
    """What came of a deployment.

    Args:
        study_id: 32 bytes, of the ledger.
        addresses: contract's name to its address.
        hospitals: names in the order of the ledger's roster.
    """

    study_id: bytes
    addresses: Mapping[str, str]
    hospitals: Sequence[str]


def deploy_study(
    study: Study,
    inputs: StudyInputs,
    roster: Roster,
    administrator: Account,
    run: Path,
    grace: int = GRACE_S,
    threshold: int = 1,
) -> Enrolled:
    """Puts a study's contracts on its network and enrols the roster, writing a folder that `provision` reads.

    Args:
        study: which, with its network in `ledger.endpoints`.
        inputs: what its model takes and gives.
        roster: of the consortium.
        administrator: pays and signs.
        run: a new folder.
        grace: seconds after a deadline when one party alone may close an attempt.
        threshold: how many administrators' equal votes decide, once the roster is enrolled.

    Raises:
        RunError: the folder holds a study, or the roster is not the study's.
        RuleViolation, LedgerError: the network or a contract refuses.
    """
    _check(study, roster, run)
    hospitals = {member: _records(member) for member in roster.of(Role.HOSPITAL)}
    run.mkdir(parents=True, exist_ok=True)
    (run / STUDY_FILE).write_text(study.to_json(), encoding="utf-8")
    (run / INPUTS_FILE).write_text(inputs.to_json(), encoding="utf-8")
    terms = StudyTerms(
        configuration=study.configuration_hash(),
        coordinator=roster.of(Role.COORDINATOR)[0].keys.account,
        validators=[member.keys.account for member in roster.of(Role.VALIDATOR)],
        quorum=study.quorum,
        min_accepted=study.aggregation.min_accepted,
        grace=grace,
        administrators=_others(roster, administrator),
        requires_certificate=study.release.certificate,
        rotation=study.validators.rotation,
    )
    chain = new_ledger(run, study.ledger, administrator, terms)
    try:
        ledger = chain.as_party(administrator)
        with chain.block():
            for member in hospitals:
                ledger.enrol(member.keys.account, LedgerRole.HOSPITAL, public_to_bytes(member.signing_key))
            for member in roster.of(Role.AUDITOR):
                ledger.enrol(member.keys.account, LedgerRole.AUDITOR, public_to_bytes(member.signing_key))
        with chain.block():
            for member, records in hospitals.items():
                ledger.admit(member.keys.account, records)
        if threshold > 1:
            ledger.set_threshold(threshold)
        names = {member.keys.account.lower(): member.participant.name for member in hospitals}
        order = [names[hospital.address.lower()] for hospital in ledger.hospitals()]
        return Enrolled(ledger.study_id(), dict(chain.deployment.addresses), order)
    finally:
        chain.close()


def _others(roster: Roster, administrator: Account) -> list[str]:
    accounts = [member.keys.account for member in roster.of(Role.ADMINISTRATOR)]
    return [account for account in accounts if account.lower() != administrator.address.lower()]


def initial_model(material: Material) -> bytes:
    """The file of the model that a study begins with: the same for everybody who computes it."""
    return to_safetensors(material.initial, material.layout)


def _check(study: Study, roster: Roster, run: Path) -> None:
    if has_ledger(run):
        raise RunError(f"{run} holds a deployed study already: choose a new folder")
    if not study.ledger.endpoints:
        raise RunError("the study names no network (ledger.endpoints), and its parties are on different machines")
    if not study.runtime.secure:
        raise RunError("a study among machines needs runtime.secure = true")
    for role in (Role.COORDINATOR, Role.CURATOR):
        if len(roster.of(role)) != 1:
            raise RunError(f"the roster should hold one {role}, not {len(roster.of(role))}: has everybody enrolled?")
    if (validators := len(roster.of(Role.VALIDATOR))) != study.validators.count:
        raise RunError(f"the study is of {study.validators.count} validators, the roster holds {validators}")
    if (count := len(roster.of(Role.HOSPITAL))) != study.hospitals.count:
        raise RunError(f"the study is of {study.hospitals.count} hospitals, the roster holds {count}")


def _records(member: Member) -> int:
    if member.participant.records is None:
        raise RunError(f"{member.participant.name} has no `records` in the consortium file: they bound its weight")
    return member.participant.records
