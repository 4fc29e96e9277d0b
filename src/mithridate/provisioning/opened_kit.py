"""A start-up kit as its participant opens it: nothing in it is believed before the authority's signature is checked."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import BaseModel, ValidationError

from mithridate.errors import CertificateRefused, EnrolmentError
from mithridate.ledger.node.terms import NodeTerms
from mithridate.provisioning.authority import ROOT_FILE
from mithridate.provisioning.certificates import certificate_from_pem, examine, fingerprint
from mithridate.provisioning.keystore import RsaKey
from mithridate.provisioning.kit import (
    LEDGER_FILE,
    MEMBER_FILE,
    NETWORK_FILE,
    ROSTER_FILE,
    STUDY_FILE,
    certificate_file,
    key_file,
)
from mithridate.provisioning.ledger_terms import LedgerTerms
from mithridate.provisioning.manifest import MAX_FILE_BYTES, STARTUP, read_manifest
from mithridate.provisioning.private_files import read_bounded, write_new
from mithridate.provisioning.revocation import LIST_FILE, MAX_BYTES, Revocations, read_revocations
from mithridate.provisioning.roster import Member, Roster
from mithridate.provisioning.settings import ParticipantSettings, read_settings
from mithridate.provisioning.study_inputs import INPUTS_FILE, StudyInputs
from mithridate.study import Study

LOCK_FILE = "lock"
RAM_FOLDERS = ("XDG_RUNTIME_DIR", "/dev/shm")  # noqa: S108 - memory, and the folder below it is new and private
_PREFIX = "mithridate-"
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Kit:
    """A kit that holds together.

    Attributes:
        folder: where it lies, from the root of the file system.
        member: its own participant.
        roster: all of them.
        root: the authority's certificate.
        certificate: the participant's.
        revocations: certificates that were taken back.
        terms: where the study's contracts lie; None before they are deployed.
        study: None before there is one.
        inputs: what its model takes and gives; None before there is a study.
        settings: the participant's own.
        network: how a node of its own follows the ledger's network; None where the kit does not say.
    """

    folder: Path
    member: Member
    roster: Roster
    root: x509.Certificate
    certificate: x509.Certificate
    revocations: Revocations
    terms: LedgerTerms | None
    study: Study | None
    inputs: StudyInputs | None
    settings: ParticipantSettings
    network: NodeTerms | None

    def path(self, configured: str) -> Path:
        """A folder of the settings: where it is relative, to the kit."""
        return self.folder / configured

    @property
    def key_link(self) -> Path:
        """Where the engine looks for the private key."""
        return self.folder / STARTUP / key_file(self.member.participant)


def open_kit(folder: Path, authority: str, *, now: datetime | None = None) -> Kit:
    """The kit in a folder.

    Args:
        folder: as the authority wrote it; the participant changes `local` only.
        authority: SHA-256 of the authority's certificate, as the participant learned it when it enrolled.
        now: with its time zone; None for the clock.

    Raises:
        EnrolmentError: a file is missing, altered or added, another authority signed, or the settings are not usable.
        CertificateRefused: the certificate is expired, revoked or another's, or the list of revoked ones too old.
    """
    # The engine changes into the kit's folder.
    folder = folder.resolve()
    now, startup = now or datetime.now(UTC), folder / STARTUP
    root, member, roster = _vouched_for(folder, authority)
    revocations = read_revocations(_read(startup / LIST_FILE, MAX_BYTES), root)
    revocations.refuse_stale(now)
    file = startup / certificate_file(member.participant)
    certificate = certificate_from_pem(_read(file), str(file))
    if examine(certificate, root, revocations, now) != member.participant.subject:
        raise CertificateRefused(f"{file} is not the certificate of {member.participant.name}: unpack the kit anew")
    return Kit(
        folder=folder,
        member=member,
        roster=roster,
        root=root,
        certificate=certificate,
        revocations=revocations,
        terms=_optional(startup / LEDGER_FILE, LedgerTerms),
        study=_study(startup),
        inputs=_inputs(startup),
        settings=read_settings(folder),
        network=_optional(startup / NETWORK_FILE, NodeTerms),
    )


def member_of(folder: Path, authority: str) -> Member:
    """Whose kit lies in a folder, as the authority signed it, whatever became of its certificate since.

    Raises:
        EnrolmentError: a file is missing, altered or added, or another authority signed.
    """
    return _vouched_for(folder.resolve(), authority)[1]


def _vouched_for(folder: Path, authority: str) -> tuple[x509.Certificate, Member, Roster]:
    startup = folder / STARTUP
    root = certificate_from_pem(_read(startup / ROOT_FILE), str(startup / ROOT_FILE))
    if fingerprint(root) != authority:
        raise EnrolmentError(
            f"{folder} is a kit of the authority {fingerprint(root)[:16]}..., but this participant enrolled with"
            f" {authority[:16]}...: ask the key authority, by telephone for one"
        )
    manifest = read_manifest(folder, root)
    member, roster = _model(startup / MEMBER_FILE, Member), _model(startup / ROSTER_FILE, Roster)
    if member.participant.name != manifest.participant or roster.consortium != manifest.consortium:
        raise EnrolmentError(f"{folder} is put together from two kits: unpack it anew")
    return root, member, roster


@contextmanager
def unlocked(kit: Kit, key: RsaKey) -> Iterator[Path]:
    """Gives the engine the private key, which it only takes in the clear: in memory, for as long as the context lasts.

    Raises:
        EnrolmentError: the key is not the certificate's, another process uses the kit, or no folder is in memory.
    """
    public = kit.certificate.public_key()
    if not isinstance(public, rsa.RSAPublicKey) or public.public_numbers() != key.public_key().public_numbers():
        raise EnrolmentError(
            f"the keys are not those that {kit.member.participant.name} enrolled with last: send the newest request to"
            " the authority, or use the folder of keys that belongs to this kit"
        )
    with _alone(kit.folder):
        yield from _key_in_memory(kit, key)


def _key_in_memory(kit: Kit, key: RsaKey) -> Iterator[Path]:
    _forget(kit.key_link)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_ram()))
    try:
        file = folder / kit.key_link.name
        write_new(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        kit.key_link.symlink_to(file)
        yield file
    finally:
        kit.key_link.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def in_use(folder: Path) -> bool:
    """Whether a participant runs from the kit in a folder, on this machine, now."""
    try:
        with (folder / LOCK_FILE).open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def _alone(kit: Path) -> Iterator[None]:
    with (kit / LOCK_FILE).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise EnrolmentError(f"{kit} is in use: its participant runs already on this machine") from error
        yield


def _forget(link: Path) -> None:
    """Removes what a process that was killed left."""
    if link.is_symlink():
        left = Path(os.readlink(link))
        link.unlink()
        if left.name == link.name and left.parent.name.startswith(_PREFIX) and left.parent.parent == _ram():
            shutil.rmtree(left.parent, ignore_errors=True)
    elif link.exists():
        raise EnrolmentError(f"{link} is a private key in the clear: remove it, the keys folder holds it encrypted")


def _ram() -> Path:
    for place in RAM_FOLDERS:
        folder = Path(place if place.startswith("/") else os.environ.get(place, ""))
        if folder.is_absolute() and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise EnrolmentError("there is no folder in memory for the unlocked key: set XDG_RUNTIME_DIR or mount /dev/shm")


def _optional(file: Path, kind: type[Model]) -> Model | None:
    return _model(file, kind) if file.exists() else None


def _study(startup: Path) -> Study | None:
    file = startup / STUDY_FILE
    return Study.from_json(_read(file).decode("utf-8", "replace")) if file.exists() else None


def _inputs(startup: Path) -> StudyInputs | None:
    file = startup / INPUTS_FILE
    return StudyInputs.from_json(_read(file).decode("utf-8", "replace")) if file.exists() else None


def _model(file: Path, kind: type[Model]) -> Model:
    try:
        return kind.model_validate_json(_read(file))
    except ValidationError as error:
        raise EnrolmentError(f"{file} is damaged or of another version: unpack the kit anew") from error


def _read(file: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    return read_bounded(file, limit, "a file of a start-up kit")
