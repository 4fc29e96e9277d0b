"""The start-up kit and the keys beside it."""

from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from mithridate.crypto.keys import public_to_bytes
from mithridate.errors import CertificateRefused, EnrolmentError, InputError
from mithridate.operation.preflight.check import check
from mithridate.operation.site import Site
from mithridate.provisioning.keys import ACCOUNT_FILE, ENVELOPE_FILE, SIGNING_FILE, TLS_FILE
from mithridate.provisioning.private_files import OPEN_TO_OTHERS, refuse_open_file
from mithridate.provisioning.revocation import LIST_FILE

KIT = "start-up kit"
KEYS = "keys"
CERTIFICATE_LEFT = timedelta(days=14)
LIST_LEFT = timedelta(days=3)
_FILES = (TLS_FILE, SIGNING_FILE, ENVELOPE_FILE, ACCOUNT_FILE)


@check(KIT)
def start_up_kit(site: Site) -> str:
    """Every file is as the authority signed it; the certificate counts, and the list of revoked ones is not too old."""
    person = site.participant
    study = site.kit.study.name if site.kit.study else "no study yet"
    return f"{person.name}, {person.role} of {site.kit.roster.consortium}; {study}; signed by its authority"


@check("certificate", needs=(KIT,))
def certificate(site: Site) -> str:
    """It counts for a while."""
    end = site.kit.certificate.not_valid_after_utc
    left = end - site.now()
    if left < CERTIFICATE_LEFT:
        raise CertificateRefused(
            f"it ends on {end:%Y-%m-%d %H:%M} UTC, in {left.days} days: run `mithridate enrol` into a new folder of"
            " keys now, and ask the key authority for a new kit"
        )
    return f"valid until {end:%Y-%m-%d}, {left.days} days"


@check("revocation list", needs=(KIT,))
def revocation_list(site: Site) -> str:
    """It will be believed for a while."""
    until = site.kit.revocations.until
    left, age = until - site.now(), site.now() - site.kit.revocations.issued
    if left < LIST_LEFT:
        raise CertificateRefused(
            f"it serves until {until:%Y-%m-%d %H:%M} UTC only: put a new {LIST_FILE} of the key authority into"
            f" {site.folder / 'startup'}"
        )
    return f"{age.days} days old, serves until {until:%Y-%m-%d}; {len(site.kit.revocations.reasons)} revoked"


@check("permissions")
def permissions(site: Site) -> str:
    """No other user of the machine can read the keys, or change the kit."""
    for file in _FILES:
        refuse_open_file(site.keys_folder / file)
    _refuse_open_folder(site.keys_folder)
    _refuse_writable(site.folder)
    return f"{site.keys_folder} and its {len(_FILES)} keys are its owner's alone"


@check(KEYS, needs=(KIT, "permissions"))
def keys(site: Site) -> str:
    """The password opens them, and they are those that the authority certified."""
    own, said = site.keys, site.kit.member.keys
    public = site.kit.certificate.public_key()
    numbers = public.public_numbers() if isinstance(public, rsa.RSAPublicKey) else None
    same = {
        TLS_FILE: numbers == own.tls.public_key().public_numbers(),
        SIGNING_FILE: public_to_bytes(own.signing.public_key()).hex() == said.signing_key,
        ENVELOPE_FILE: public_to_bytes(own.envelope.public_key()).hex() == said.envelope_key,
        ACCOUNT_FILE: own.account.address.lower() == said.account.lower(),
    }
    others = [name for name, equal in same.items() if not equal]
    if others:
        raise EnrolmentError(
            f"{', '.join(others)} in {site.keys_folder} are not those of the kit: use the folder of keys whose request"
            " the authority signed last, or send it the newest request"
        )
    return f"they open, and are those of the kit; account {own.account.address}"


def _refuse_open_folder(folder: Path) -> None:
    try:
        mode = folder.stat().st_mode
    except OSError as error:
        raise EnrolmentError(f"{folder} cannot be read ({error.strerror})") from error
    if mode & OPEN_TO_OTHERS:
        raise InputError(f"{folder} is open to other users: run `chmod 700 {folder}`")


def _refuse_writable(folder: Path) -> None:
    for path in (folder, *(folder / name for name in ("startup", "local"))):
        if path.exists() and path.stat().st_mode & 0o022:
            raise InputError(f"{path} can be written by other users: run `chmod -R go-w {folder}`")
