"""The other participants that this one dials."""

import socket
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mithridate.errors import InputError, MessageError
from mithridate.mpc.remote_peers import Seat, reach
from mithridate.operation.preflight.check import check
from mithridate.operation.preflight.kit_checks import KEYS, KIT
from mithridate.operation.site import ANSWER_S, Site
from mithridate.provisioning.certificates import certificate_to_pem
from mithridate.provisioning.consortium import Participant, Role
from mithridate.provisioning.engine import CLIENTS
from mithridate.provisioning.engine_driver import ask_admission_with
from mithridate.proxies import proxy_for

COORDINATOR = "way to the coordinator"


@check(COORDINATOR, needs=(KIT,), roles=CLIENTS)
def way_to_the_coordinator(site: Site) -> str:
    """Something listens at the coordinator's place, or the proxy on the way to it does."""
    place = site.kit.roster.coordinator
    proxy = proxy_for(str(place.host))
    if proxy is None:
        return _dial(place)
    parts = urlsplit(proxy)
    try:
        with socket.create_connection((str(parts.hostname), parts.port), timeout=ANSWER_S):
            return f"{place.host}:{place.port} is reached through the proxy {parts.hostname}, which takes connections"
    except OSError as error:
        raise InputError(
            f"the proxy {parts.hostname} does not answer ({error}): correct `proxy` in local/participant.toml or the"
            f" variable https_proxy, or name {place.host} in the variable no_proxy"
        ) from error


@check("admission by the coordinator", needs=(COORDINATOR, KEYS), roles=CLIENTS)
def admission_by_the_coordinator(site: Site) -> str:
    """The coordinator proves that it is, and lets this participant in."""
    ask_admission_with(site.kit, _key(site))
    return f"{site.kit.roster.coordinator.name} proved who it is, and lets {site.participant.name} in"


@check("peers", needs=(KEYS,), roles=(Role.VALIDATOR,))
def peers(site: Site) -> str:
    """The other validators listen, and prove who they are."""
    key, own = _key(site), certificate_to_pem(site.kit.certificate)
    others = [m for m in site.kit.roster.of(Role.VALIDATOR) if m.participant.name != site.participant.name]
    failed = []
    for member in others:
        person = member.participant
        try:
            _dial(person)
            seat = Seat(person.name, f"{person.host}:{person.port}", member.pem.encode())
            reach(seat, key, own, ANSWER_S)
        except (InputError, MessageError) as error:
            failed.append(str(error))
    if failed:
        raise InputError("; ".join(failed))
    names = " and ".join(member.participant.name for member in others)
    return f"{names} listen, and TLS holds both ways; the ports after theirs open only while a section runs"


def _dial(person: Participant) -> str:
    place = f"{person.host}:{person.port}"
    try:
        with socket.create_connection((str(person.host), int(person.port or 0)), timeout=ANSWER_S):
            return f"{place} takes connections"
    except OSError as error:
        raise InputError(
            f"{person.name} does not answer at {place} ({error.strerror or error}): it has to be started, and the"
            " firewalls on the way have to let TCP through"
        ) from error


def _key(site: Site) -> bytes:
    return site.keys.tls.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
