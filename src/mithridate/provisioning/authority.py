"""The key authority: signs certificates and kits, and takes certificates back. Its machine needs no network.

Whoever holds its folder and password can make participants; nobody else can, not even a participant's administrator.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from mithridate.crypto.keys import generate
from mithridate.errors import EnrolmentError
from mithridate.provisioning.certificates import (
    certificate_from_pem,
    certificate_to_pem,
    fingerprint,
    participant_certificate,
    root_certificate,
)
from mithridate.provisioning.consortium import Consortium, Participant, load_consortium, parse_consortium
from mithridate.provisioning.keystore import EllipticKey, read_elliptic_key, write_key
from mithridate.provisioning.private_files import new_private_folder, read_bounded, write_new, write_whole
from mithridate.provisioning.register import Entry, Register, read_register, write_register
from mithridate.provisioning.renewal_rules import refuse_unlike
from mithridate.provisioning.request import EnrolmentRequest, PublicKeys
from mithridate.provisioning.revocation import LIST_FILE, MAX_BYTES, Reason, read_revocations, revocation_list

KEY_FILE, ROOT_FILE, CONSORTIUM_FILE, REGISTER_FILE = "authority.p12", "rootCA.pem", "consortium.yml", "register.json"
MAX_CONSORTIUM_BYTES = 1 << 20
SLACK_S = 600
"""How far a sender's clock may be ahead of the authority's."""


@dataclass(frozen=True)
class Authority:
    """An opened authority; `sign` and `revoke` write its folder before they return the authority after the change.

    Attributes:
        folder: where it lies.
        consortium: which it serves.
        root: its certificate.
        register: what it signed so far.
    """

    folder: Path
    consortium: Consortium
    root: x509.Certificate
    register: Register
    key: EllipticKey = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of its certificate: every participant compares it once, by another way than the kit came."""
        return fingerprint(self.root)

    def sign(self, request: EnrolmentRequest, earlier: Reason | None = Reason.SUPERSEDED) -> tuple["Authority", Entry]:
        """Issues a certificate on a request whose sender was made sure of: a first enrolment, or a renewal.

        Args:
            request: its signatures checked.
            earlier: why the certificates that a renewal stands in for are revoked; None leaves them until they expire.

        Raises:
            EnrolmentError: it is for another consortium, participant, role or organisation, older than one that was
                signed, or holds keys that are already another participant's; or a renewal of something else than this
                participant's newest certificate, or no renewal though there is one.
        """
        participant = self._asked_for(request)
        self._refuse_unlike_before(request, participant)
        self._refuse_replay(request)
        self._refuse_shared_keys(request)
        days = self.consortium.certificates.days
        certificate = participant_certificate(participant, request.public, self.root, self.key, days)
        entry = Entry(
            participant=participant.name,
            serial=f"{certificate.serial_number:x}",
            expires=int(certificate.not_valid_after_utc.timestamp()),
            made=request.body.made,
            request=request.fingerprint,
            keys=request.body.keys,
            certificate=certificate_to_pem(certificate).decode(),
        )
        register = self.register
        if earlier is not None:
            register = register.revoking({old.serial for old in register.counting(participant.name)}, earlier)
        return self._changed(register.with_entry(entry)), entry

    def revoke(self, participant: str, reason: Reason, serial: str | None = None) -> tuple["Authority", list[Entry]]:
        """Takes back a participant's certificates, or one of them, and signs a new list of revoked ones.

        Raises:
            EnrolmentError: there is no such certificate that still counts.
        """
        wanted = [
            entry for entry in self.register.of(participant) if entry.revoked is None and serial in (None, entry.serial)
        ]
        if not wanted:
            which = f"certificate {serial}" if serial else "certificate that counts"
            raise EnrolmentError(f"{participant!r} has no {which}: `mithridate authority show` lists all")
        return self._changed(self.register.revoking({entry.serial for entry in wanted}, reason)), wanted

    def amend(self, content: bytes, source: str) -> tuple["Authority", list[str]]:
        """Takes the consortium's next file, and revokes the certificates of whoever is struck, or changes its part.

        Args:
            content: of the file, whose name `source` is for errors.

        Returns:
            The authority, and the participants whose certificates it took back.

        Raises:
            ConsortiumError: the file is not usable.
            EnrolmentError: it is another consortium's.
        """
        consortium = parse_consortium(content, source)
        if consortium.consortium != self.consortium.consortium:
            raise EnrolmentError(f"{source} is of {consortium.consortium!r}, not of {self.consortium.consortium!r}")
        kept = {_part(person) for person in consortium.participants}
        gone = [person.name for person in self.consortium.participants if _part(person) not in kept]
        ended = {entry.serial for name in gone for entry in self.register.of(name)}
        write_whole(self.folder / CONSORTIUM_FILE, content)
        after = replace(self, consortium=consortium)
        return after._changed(self.register.revoking(ended, Reason.LEFT)), gone

    def refuse_other(self, consortium_file: Path) -> None:
        """Returns if a consortium file says what the authority's own does.

        Raises:
            ConsortiumError: it is not usable.
            EnrolmentError: it says something else.
        """
        if load_consortium(consortium_file) != self.consortium:
            raise EnrolmentError(
                f"{consortium_file} is not what the authority knows: run `mithridate authority amend` with it first"
            )

    def revocations(self) -> bytes:
        """The list of revoked certificates, signed now."""
        days = self.consortium.certificates.revocation_days
        return revocation_list(self.register.revoked(), self.root, self.key, days)

    def _changed(self, register: Register) -> "Authority":
        after = replace(self, register=register)
        write_register(self.folder / REGISTER_FILE, register, self.key)
        write_whole(self.folder / LIST_FILE, after.revocations())
        return after

    def _asked_for(self, request: EnrolmentRequest) -> Participant:
        body = request.body
        if body.consortium != self.consortium.consortium:
            raise EnrolmentError(
                f"{body.participant!r} asks to join {body.consortium!r}, but this is {self.consortium.consortium!r}"
            )
        participant = self.consortium.participant(body.participant)
        if (body.role, body.organisation) != (participant.role.value, participant.organisation):
            raise EnrolmentError(
                f"{participant.name} asks as {body.role} of {body.organisation}, but the consortium file says"
                f" {participant.role} of {participant.organisation}: enrol again with the agreed file"
            )
        return participant

    def _refuse_unlike_before(self, request: EnrolmentRequest, participant: Participant) -> None:
        """A participant has one account, which only a renewal keeps: a second enrolment beside it is refused."""
        current, before = self.register.current(participant.name), self.register.of(participant.name)
        if request.body.renews:
            last = next((entry.revoked.reason.value for entry in reversed(before) if entry.revoked), "")
            refuse_unlike(request, participant, current, last)
        elif current is not None:
            raise EnrolmentError(
                f"{participant.name!r} has certificate {current.serial} already: `mithridate renew` renews it where its"
                " keys lie; if its ledger account is lost, run `mithridate authority revoke` first, and then sign this"
            )

    def _refuse_replay(self, request: EnrolmentRequest) -> None:
        body = request.body
        if body.made > datetime.now(UTC).timestamp() + SLACK_S:
            raise EnrolmentError(f"the request of {body.participant!r} is from the future: set the clocks right")
        if any(body.made <= entry.made for entry in self.register.of(body.participant)):
            raise EnrolmentError(
                f"a request of {body.participant!r} as new as this was signed before: it may be an old one, sent again;"
                " ask for a new one"
            )

    def _refuse_shared_keys(self, request: EnrolmentRequest) -> None:
        body, asked = request.body, _all_keys(request.body.keys)
        for entry in self.register.entries:
            if entry.participant != body.participant and asked & _all_keys(entry.keys):
                raise EnrolmentError(f"{body.participant!r} asks with a key or account of {entry.participant!r}")


def new_authority(folder: Path, consortium_file: Path, password: str) -> Authority:
    """Makes an authority for a consortium in a new folder: its key, encrypted, its certificate, and an empty register.

    Raises:
        ConsortiumError: the consortium file is not usable.
        EnrolmentError: the folder holds something or cannot be written, or the password is short.
    """
    content = read_bounded(consortium_file, MAX_CONSORTIUM_BYTES, "a consortium file")
    consortium = parse_consortium(content, str(consortium_file))
    new_private_folder(folder)
    key = generate()
    root = root_certificate(consortium.consortium, key, consortium.certificates.root_days)
    write_key(folder / KEY_FILE, key, consortium.consortium, password)
    write_new(folder / CONSORTIUM_FILE, content)
    write_new(folder / ROOT_FILE, certificate_to_pem(root))
    return Authority(folder, consortium, root, Register(), key)._changed(Register())


def open_authority(folder: Path, password: str) -> Authority:
    """The authority in a folder that `new_authority` made.

    Raises:
        ConsortiumError, EnrolmentError, CertificateRefused: a file is missing or damaged, or the password is not its.
    """
    content = read_bounded(folder / CONSORTIUM_FILE, MAX_CONSORTIUM_BYTES, "the authority's consortium file")
    consortium = parse_consortium(content, str(folder / CONSORTIUM_FILE))
    root = _root(folder)
    key = read_elliptic_key(folder / KEY_FILE, password)
    if key.public_key() != root.public_key():
        raise EnrolmentError(f"{folder} holds a key and a certificate of two authorities: restore it from its copy")
    return Authority(folder, consortium, root, _register(folder, root), key)


def register_of(folder: Path) -> Register:
    """What the authority in a folder signed so far; needs no password.

    Raises:
        EnrolmentError, CertificateRefused: a file is missing, damaged or altered, or the register older than the list
            of revoked certificates, which is written after it.
    """
    return _register(folder, _root(folder))


def _root(folder: Path) -> x509.Certificate:
    pem = read_bounded(folder / ROOT_FILE, MAX_CONSORTIUM_BYTES, "the authority's certificate")
    return certificate_from_pem(pem, str(folder / ROOT_FILE))


def _register(folder: Path, root: x509.Certificate) -> Register:
    register = read_register(folder / REGISTER_FILE, root)
    listed = read_revocations(read_bounded(folder / LIST_FILE, MAX_BYTES, "the list of revoked certificates"), root)
    if listed.number > len(list(register.revoked())):
        raise EnrolmentError(
            f"{folder / REGISTER_FILE} is older than {LIST_FILE}, which has {listed.number} revoked certificates:"
            " restore the authority's folder from its newest copy"
        )
    return register


def _part(participant: Participant) -> tuple[str, ...]:
    """What a certificate says of a participant, where it is dialled included."""
    host = participant.host or ""
    return participant.name, participant.subject, participant.role.value, participant.organisation, host


def _all_keys(keys: PublicKeys) -> set[str]:
    return {keys.signing_key, keys.envelope_key, keys.account.lower()}
