"""A new certificate for a participant of a running study: what has to stay, what may change, and who has to be told.

The study's roster on the ledger is frozen once it has begun, so the account stays, and its key vouches for the new
certificate. Signing and envelope keys change only where the study can go on with new ones.
"""

from collections.abc import Collection, Iterator

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mithridate.errors import EnrolmentError
from mithridate.provisioning.certificates import certificate_from_pem
from mithridate.provisioning.consortium import Consortium, Participant, Role
from mithridate.provisioning.keys import Replaceable
from mithridate.provisioning.register import Entry
from mithridate.provisioning.request import EnrolmentRequest, PublicKeys
from mithridate.provisioning.revocation import LIST_FILE

_MAY_CHANGE = {
    Role.HOSPITAL: frozenset({Replaceable.SIGNING, Replaceable.ENVELOPE}),
    Role.VALIDATOR: frozenset({Replaceable.SIGNING}),
}
"""Whose process tells the ledger, and so everybody else, of which new keys."""
_NEEDED = {
    (Role.VALIDATOR, Replaceable.ENVELOPE): "the reference set is sealed to it for the whole study",
    (Role.CURATOR, Replaceable.SIGNING): "the reference set is signed with it for the whole study",
}


def refuse_fixed(participant: Participant, replaced: Collection[Replaceable]) -> None:
    """Returns if a participant's keys may be replaced while a study runs.

    Raises:
        EnrolmentError: one of them may not; the message says why.
    """
    for key in sorted(set(replaced) - _MAY_CHANGE.get(participant.role, frozenset())):
        why = _NEEDED.get((participant.role, key), "nobody would learn of a new one before the next study")
        raise EnrolmentError(
            f"{participant.name}, a {participant.role}, keeps its {key} key in a renewal: {why}; renew without it, or"
            " revoke the participant and enrol it anew between two studies"
        )


def refuse_unlike(request: EnrolmentRequest, participant: Participant, current: Entry | None, last: str) -> None:
    """Returns if a request renews the certificate that its participant has.

    Args:
        request: its signatures checked.
        participant: who it says is asking.
        current: the newest of that participant's certificates that counts; None without one.
        last: why the last one does not count; empty if there was none.

    Raises:
        EnrolmentError: the certificate is another, was revoked or renewed before, or the account is another; or a key
            changes that may not, or the certificate's does not.
    """
    name, body = participant.name, request.body
    if current is None:
        state = f"was revoked ({last})" if last else "was never signed"
        raise EnrolmentError(
            f"{name!r} asks to renew a certificate, but its last {state}: nothing of it can be renewed; for the next"
            " study it enrols anew (`mithridate enrol`)"
        )
    if body.keys.account.lower() != current.keys.account.lower():
        raise EnrolmentError(
            f"{name!r} asks to renew with the account {body.keys.account}, but its certificate was signed for"
            f" {current.keys.account}: somebody else may be asking; a renewal keeps the account, and whoever lost it is"
            " revoked (`mithridate authority revoke`) and enrols anew for the next study"
        )
    if body.renews != current.serial:
        raise EnrolmentError(
            f"{name!r} asks to renew certificate {body.renews}, but {current.serial} is its newest: the request may be"
            " an old one, sent again, or another participant's; ask for one made from the newest kit"
        )
    refuse_fixed(participant, _changed(current.keys, body.keys))
    if _same_certificate_key(request, current):
        raise EnrolmentError(
            f"{name!r} asks to renew with the key of its certificate as it is: send what `mithridate renew` wrote"
        )


def news(consortium: Consortium, renewed: Participant, *, revoked: bool) -> Iterator[tuple[str, str]]:
    """Who has to do what, in this order, before the study goes on as it was: a participant's name, and what.

    Args:
        consortium: whose study runs.
        renewed: the participant with a new certificate.
        revoked: whether the certificate before was taken back.
    """
    yield renewed.name, "stop it, put its new kit's startup folder and its new keys in place, start it again"
    if renewed.role is Role.VALIDATOR:
        for other in consortium.of(Role.VALIDATOR):
            if other != renewed:
                text = f"the same with its own new kit's startup folder: it accepts one certificate of {renewed.name}"
                yield other.name, text
    if revoked and renewed.role is not Role.COORDINATOR:
        text = f"{LIST_FILE} into its kit's startup folder once {renewed.name} is back; it is read at once"
        yield consortium.coordinator.name, text


def _changed(before: PublicKeys, after: PublicKeys) -> set[Replaceable]:
    changes = {
        Replaceable.SIGNING: before.signing_key != after.signing_key,
        Replaceable.ENVELOPE: before.envelope_key != after.envelope_key,
    }
    return {key for key, changed in changes.items() if changed}


def _same_certificate_key(request: EnrolmentRequest, current: Entry) -> bool:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    before = certificate_from_pem(current.certificate.encode(), f"the register's entry of {current.participant}")
    return request.public.public_bytes(*form) == before.public_key().public_bytes(*form)
