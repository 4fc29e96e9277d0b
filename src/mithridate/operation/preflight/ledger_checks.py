"""The ledger's network, the clocks, and what the ledger holds of the study and of this participant."""

from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median

from mithridate.crypto.keys import public_to_bytes
from mithridate.errors import InputError, LedgerError
from mithridate.federation.remote.ledger_terms import check_code
from mithridate.ledger.deployment import Deployment
from mithridate.ledger.deployment import check as check_deployment
from mithridate.ledger.endpoint import Endpoint, EndpointFailed, Head, Refused
from mithridate.ledger.interface import Member, Status
from mithridate.ledger.interface import Role as LedgerRole
from mithridate.operation.preflight.check import check
from mithridate.operation.preflight.kit_checks import KEYS, KIT
from mithridate.operation.site import Site
from mithridate.provisioning.consortium import Role

NODES, CONTRACTS, STUDY = "ledger nodes", "contracts", "study"
CLOCK_S = 30
"""A clock that is further off misses deadlines or believes certificates that ended."""
_LEDGER_ROLES = {
    Role.COORDINATOR: LedgerRole.COORDINATOR,
    Role.VALIDATOR: LedgerRole.VALIDATOR,
    Role.HOSPITAL: LedgerRole.HOSPITAL,
    Role.AUDITOR: LedgerRole.AUDITOR,
    Role.ADMINISTRATOR: LedgerRole.ADMINISTRATOR,
}


@check(NODES, needs=(KIT,))
def ledger_nodes(site: Site) -> str:
    """Every node that the settings name answers, of one chain, and they agree on its past."""
    if not site.endpoints:
        raise InputError("local/participant.toml names no node: set `endpoints` in its section [ledger]")
    heads = {endpoint: _head(endpoint) for endpoint in site.endpoints}
    down = [f"{endpoint.name} {head}" for endpoint, head in heads.items() if isinstance(head, str)]
    up = {endpoint: head for endpoint, head in heads.items() if isinstance(head, Head)}
    if down:
        raise LedgerError(
            f"{'; '.join(down)}: {len(up)} of {len(heads)} answer; start the node, open the way to it, or take it out"
            " of `endpoints` in local/participant.toml"
        )
    common = max(0, min(head.number for head in up.values()) - site.kit.settings.ledger.finality)
    pasts = {endpoint.name: (endpoint.chain_id(), endpoint.block(common).hash) for endpoint in up}
    if len(set(pasts.values())) > 1:
        told = ", ".join(f"{name} (chain {chain}, {past.hex()[:16]}...)" for name, (chain, past) in pasts.items())
        raise LedgerError(f"the nodes tell of different chains at block {common}: {told}; take out the wrong one")
    agreement, block = site.kit.settings.ledger.agreement, max(head.number for head in up.values())
    return f"{len(up)} of {len(heads)} answer and agree, block {block}; {agreement} must answer alike"


@check("clock", needs=(NODES,))
def clock(site: Site) -> str:
    """This machine's clock is right, as far as the ledger's nodes can tell."""
    now = site.now().timestamp()
    newest = max(head.timestamp for head in map(_head, site.endpoints) if isinstance(head, Head))
    offsets = [offset for endpoint in site.endpoints if (offset := _offset(endpoint, site.now)) is not None]
    # A block can be old, as nothing happens on some networks, but not from the future.
    ahead = newest - now
    if ahead > CLOCK_S or (offsets and abs(median(offsets)) > CLOCK_S):
        wrong = median(offsets) if offsets else ahead
        way = "behind" if wrong > 0 else "ahead of"
        raise InputError(
            f"this machine's clock is {abs(wrong):.0f} s {way} that of the ledger's nodes: set it by NTP (timedatectl"
            " shows whether it is)"
        )
    if not offsets:
        return f"no node tells its time; the ledger's last block is {-ahead:.0f} s old"
    return (
        f"within {max(map(abs, offsets)):.0f} s of {len(offsets)} nodes; the last block is {max(0, -ahead):.0f} s old"
    )


@check(CONTRACTS, needs=(NODES,))
def contracts(site: Site) -> str:
    """The contracts are the published ones, with the code that the authority vouches for."""
    check_deployment(site.network, Deployment(site.terms.addresses))
    check_code(site.network, site.terms)
    return f"{len(site.terms.code)} have the kit's code; the study's is at {site.terms.addresses['Study']}"


@check(STUDY, needs=(CONTRACTS,))
def study(site: Site) -> str:
    """The ledger's study is the kit's, and its roster the kit's roster."""
    ledger, configuration = site.ledger, site.study.configuration_hash()
    if ledger.configuration() != configuration:
        raise LedgerError(
            f"the ledger's study has the configuration {ledger.configuration().hex()[:16]}..., the kit's has"
            f" {configuration.hex()[:16]}...: ask for a new kit"
        )
    known = {member.keys.account.lower() for member in site.kit.roster.members}
    listed = [hospital.address for hospital in ledger.hospitals()]
    listed += [validator.address for validator in ledger.validators()]
    strangers = [address for address in listed if address.lower() not in known]
    if strangers:
        raise LedgerError(f"{', '.join(strangers)} of the ledger are not on the kit's roster: ask for a new kit")
    begun = "has begun" if ledger.begun() else "has not begun"
    return f"{site.study.name}, configuration {configuration.hex()[:16]}..., {len(listed)} accounts; it {begun}"


@check("membership", needs=(STUDY,), roles=tuple(_LEDGER_ROLES))
def membership(site: Site) -> str:
    """The ledger lets this participant act."""
    role, own = _LEDGER_ROLES[site.participant.role], site.kit.member.keys.account
    member = _member(site, role)
    if member is None:
        raise LedgerError(f"{own} is no {role.name.lower()} on the ledger: the administrators have to enrol it")
    if member.status is not Status.ACTIVE:
        mend = (
            "the administrators have to reinstate it"
            if member.status is Status.SUSPENDED
            else "its part in this study is over; enrol anew (`mithridate enrol`) for the next one"
        )
        raise LedgerError(f"{own} is {member.status.name.lower()} on the ledger: {mend}")
    return f"active {role.name.lower()}{_place(site)}"


@check("keys on the ledger", needs=("membership", KEYS), roles=(Role.HOSPITAL, Role.VALIDATOR))
def keys_on_the_ledger(site: Site) -> str:
    """The others will verify and seal by this participant's keys."""
    member = _member(site, _LEDGER_ROLES[site.participant.role])
    signing, envelope = site.keys.signing.public_key(), site.keys.envelope.public_key()
    if member is None or (member.signing_key, member.envelope_key) != (
        public_to_bytes(signing),
        public_to_bytes(envelope),
    ):
        return "not yet those of the keys folder: the participant registers them when it starts"
    return f"those of the keys folder, since {datetime.fromtimestamp(member.keys_since, UTC):%Y-%m-%d %H:%M} UTC"


def _member(site: Site, role: LedgerRole) -> Member | None:
    own = site.kit.member.keys.account.lower()
    return next((member for member in site.ledger.members(role) if member.address.lower() == own), None)


def _place(site: Site) -> str:
    if site.participant.role is not Role.HOSPITAL:
        return ""
    own = site.kit.member.keys.account.lower()
    index = next((record.index for record in site.ledger.hospitals() if record.address.lower() == own), None)
    if index is None:
        raise LedgerError(f"{own} is enrolled, but not admitted to this study: the administrators have to admit it")
    if index in site.ledger.suspended():
        raise LedgerError(f"{own}, number {index}, is suspended from this study by the validators' verdicts")
    return f", number {index} of the study"


def _head(endpoint: Endpoint) -> Head | str:
    try:
        return endpoint.head()
    except (EndpointFailed, Refused) as error:
        return str(error)


def _offset(endpoint: Endpoint, clock: Callable[[], datetime]) -> float | None:
    """Seconds by which a node's clock is ahead of this machine's; None where it does not tell the time."""
    before = clock()
    try:
        date = endpoint.date()
    except EndpointFailed:
        return None
    return (date - before - (clock() - before) / 2).total_seconds()
