"""Who may talk to the coordinator: the holder of a certificate of this authority that is neither expired nor revoked.

TLS turns away whoever has no certificate, an expired one or another authority's, before anything has a name. What it
does not see is that a certificate was revoked, or its owner struck from the roster. That is seen here, for every
connection and again while it lasts, by the certificate itself and not by what the peer calls itself.
"""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from cryptography import x509

from mithridate.errors import CertificateRefused, EnrolmentError
from mithridate.provisioning.certificates import certificate_from_pem, examine
from mithridate.provisioning.private_files import read_bounded
from mithridate.provisioning.revocation import MAX_BYTES, Revocations, read_revocations
from mithridate.provisioning.roster import Roster

_log = logging.getLogger(__name__)


class Admission:
    """The examination of peers, under the newest list of revoked certificates; used from several threads.

    Args:
        root: the authority's certificate.
        roster: who is expected.
        list_file: the list of revoked certificates, read anew whenever the file changes.
        revocations: what that file held when the kit was opened.
    """

    def __init__(self, root: x509.Certificate, roster: Roster, list_file: Path, revocations: Revocations) -> None:
        self._root = root
        self._subjects = frozenset(member.participant.subject for member in roster.members)
        self._file = list_file
        self._revocations = revocations
        self._seen: tuple[int, ...] | None = None
        self._lock = Lock()

    def admit(self, pem: bytes | None, now: datetime | None = None) -> str:
        """The name of the participant with this certificate, in PEM as TLS handed it over.

        Raises:
            CertificateRefused: there is none, or it does not count; the message names its owner and the reason.
        """
        if not pem:
            raise CertificateRefused("a peer without a certificate is refused")
        certificate = certificate_from_pem(pem, "what a peer showed")
        name = examine(certificate, self._root, self._newest(), now or datetime.now(UTC))
        if name not in self._subjects:
            raise CertificateRefused(f"{name} is refused: it is not on the roster, ask for kits that name it")
        return name

    def _newest(self) -> Revocations:
        with self._lock:
            state = _state(self._file)
            if state != self._seen:
                self._seen = state
                self._read_list()
            return self._revocations

    def _read_list(self) -> None:
        try:
            found = read_revocations(read_bounded(self._file, MAX_BYTES, "a list of revoked certificates"), self._root)
        except (EnrolmentError, CertificateRefused) as error:
            # Whoever spoils the file must not bring back what the list before took away.
            _log.warning("the list of revoked certificates before stays in force: %s", error)
            return
        if found.older_than(self._revocations):
            _log.warning("%s is older than the list in force and is not taken", self._file)
            return
        self._revocations = found
        _log.info("%s of %s is in force: %d revoked", self._file.name, found.issued, len(found.reasons))


def _state(file: Path) -> tuple[int, ...]:
    try:
        found = os.stat(file)
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
