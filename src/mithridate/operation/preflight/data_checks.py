"""A hospital's or curator's records, and the hospital's policy."""

import numpy as np

from mithridate.errors import DataError
from mithridate.federation.policy import enforce, load_policy
from mithridate.federation.remote.records import hospital_records, reference_records
from mithridate.operation.preflight.check import check
from mithridate.operation.preflight.kit_checks import KIT
from mithridate.operation.preflight.ledger_checks import STUDY
from mithridate.operation.site import Site
from mithridate.provisioning.consortium import Role


@check("records", needs=(KIT,), roles=(Role.HOSPITAL, Role.CURATOR))
def records(site: Site) -> str:
    """The records can be read, and have the study's columns and labels."""
    settings, inputs = site.kit.settings, site.inputs.model
    place = site.kit.path(settings.data) if settings.data else None
    if site.participant.role is Role.CURATOR:
        found = reference_records(site.study, inputs, place)
        _refuse_count(len(found), site.inputs.reference_records)
    else:
        found = hospital_records(site.study, inputs, place, _index(site))
    counts = np.bincount(found.labels, minlength=len(inputs.classes))
    told = ", ".join(f"{name} {count}" for name, count in zip(inputs.classes, counts, strict=True))
    return f"{len(found)} records of {place or 'the study itself'}: {told}{_bound(site, len(found))}"


@check("policy", needs=(STUDY,), roles=(Role.HOSPITAL,))
def policy(site: Site) -> str:
    """This hospital's own policy accepts the study."""
    file = site.kit.path(site.kit.settings.policy)
    enforce(load_policy(file), site.study, [record.address for record in site.ledger.validators()])
    return f"{file} accepts the study, its model's code, its validators and its privacy"


def _index(site: Site) -> int:
    # On the ledger hospitals have the roster's order.
    names = [member.participant.name for member in site.kit.roster.of(Role.HOSPITAL)]
    return names.index(site.participant.name)


def _refuse_count(found: int, agreed: int) -> None:
    if found != agreed:
        raise DataError(f"the study is of {agreed} reference records, these are {found}: give the file agreed on")


def _bound(site: Site, found: int) -> str:
    most = site.participant.records
    if most is None or found <= most:
        return ""
    return f"; the consortium file lets it claim {most}, so its weight is that of {most}"
