"""What the authority vouches for in a start-up kit: every file of its `startup` folder by hash, for one participant."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from pydantic import Field, ValidationError

from mithridate.crypto.domains import Domain
from mithridate.crypto.keys import PublicKey
from mithridate.crypto.signing import SIGNATURE_BYTES, sign, verify
from mithridate.errors import EnrolmentError, SignatureInvalid
from mithridate.provisioning.keystore import EllipticKey
from mithridate.provisioning.private_files import read_bounded
from mithridate.provisioning.revocation import LIST_FILE
from mithridate.section import Section

STARTUP = "startup"
MANIFEST_FILE, SIGNATURE_FILE = "manifest.json", "manifest.sig"
MAX_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 25
KEY_LINKS = ("client.key", "server.key")
# The list of revoked certificates bears a signature of its own, and is replaced while the kit stays.
_UNLISTED = frozenset({MANIFEST_FILE, SIGNATURE_FILE, LIST_FILE, *KEY_LINKS})


class Manifest(Section):
    """What is signed."""

    consortium: str
    """Its name."""
    participant: str
    """Whose kit it is."""
    issued: int = Field(ge=0)
    """When, in seconds since 1970."""
    files: dict[str, str]
    """File in the `startup` folder to its SHA-256."""


def write_manifest(kit: Path, consortium: str, participant: str, key: EllipticKey) -> None:
    """Signs the `startup` folder of a kit as it lies there now."""
    startup = kit / STARTUP
    files = {path.name: _digest(path) for path in sorted(startup.iterdir()) if path.name not in _UNLISTED}
    issued = int(datetime.now(UTC).timestamp())
    manifest = Manifest(consortium=consortium, participant=participant, issued=issued, files=files)
    content = manifest.model_dump_json(indent=1).encode()
    (startup / MANIFEST_FILE).write_bytes(content)
    (startup / SIGNATURE_FILE).write_bytes(sign(key, Domain.KIT_MANIFEST, content))


def read_manifest(kit: Path, root: x509.Certificate) -> Manifest:
    """The manifest of a kit whose every file is as the authority signed it, none missing and none added.

    Raises:
        EnrolmentError: a file is missing, altered or added, or the authority did not sign; the message names the file.
    """
    startup = kit / STARTUP
    content = read_bounded(startup / MANIFEST_FILE, MAX_BYTES, "a start-up kit's manifest")
    signature = read_bounded(startup / SIGNATURE_FILE, SIGNATURE_BYTES, "the authority's signature")
    key = root.public_key()
    if not isinstance(key, PublicKey):
        raise EnrolmentError(f"{kit}: the authority's key is none of P-256, so this is no kit of this version")
    try:
        verify(key, Domain.KIT_MANIFEST, content, signature)
        manifest = Manifest.model_validate_json(content)
    except (SignatureInvalid, ValidationError) as error:
        raise EnrolmentError(f"{startup / MANIFEST_FILE} was not signed by the authority, or altered since") from error
    _compare(startup, manifest)
    return manifest


def _compare(startup: Path, manifest: Manifest) -> None:
    present = {path.name for path in startup.iterdir()} - _UNLISTED
    for name in sorted(present ^ set(manifest.files)):
        state = "is missing" if name in manifest.files else "was added"
        raise EnrolmentError(f"{startup / name} {state}: unpack the kit anew")
    for name, digest in manifest.files.items():
        if (startup / name).is_symlink() or _digest(startup / name) != digest:
            raise EnrolmentError(f"{startup / name} is not as the authority signed it: unpack the kit anew")


def _digest(path: Path) -> str:
    return hashlib.sha256(read_bounded(path, MAX_FILE_BYTES, "a file of a start-up kit")).hexdigest()
