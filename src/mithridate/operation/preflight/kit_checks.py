"""The start-up kit and the keys beside it."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from mithridate.crypto.keys import public_to_bytes
from mithridate.errors import CertificateRefused, EnrolmentError, InputError
from mithridate.operation.preflight.check import check
from mithridate.operation.site import Site
from mithridate.provisioning.expiry import expiry_of
from mithridate.provisioning.keys import ACCOUNT_FILE, ENVELOPE_FILE, SIGNING_FILE, TLS_FILE
from mithridate.provisioning.private_files import OPEN_TO_OTHERS, refuse_open_file

KIT = "start-up kit"
KEYS = "keys"
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
    expiry = expiry_of(site.kit)
    if warning := expiry.of_certificate(site.now()):
        raise CertificateRefused(warning)
    return f"valid until {expiry.certificate:%Y-%m-%d}, {(expiry.certificate - site.now()).days} days"


@check("revocation list", needs=(KIT,))
def revocation_list(site: Site) -> str:
    """It will be believed for a while."""
    expiry, held = expiry_of(site.kit), site.kit.revocations
    if warning := expiry.of_revocations(site.now()):
        raise CertificateRefused(warning)
    age = site.now() - held.issued
    return f"{age.days} days old, serves until {expiry.revocations:%Y-%m-%d}; {len(held.reasons)} revoked"


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
