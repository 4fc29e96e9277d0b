"""How long a participant's certificate and its list of revoked certificates still serve, and when to say so."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mithridate.errors import CertificateRefused, EnrolmentError
from mithridate.provisioning.manifest import STARTUP
from mithridate.provisioning.opened_kit import Kit
from mithridate.provisioning.private_files import read_bounded
from mithridate.provisioning.revocation import LIST_FILE, MAX_BYTES, read_revocations

CERTIFICATE_LEFT = timedelta(days=14)
"""A certificate that ends sooner is warned of: a renewal takes a telephone call and a new kit."""
LIST_LEFT = timedelta(days=3)
"""A list of revoked certificates that ends sooner is warned of."""


@dataclass(frozen=True)
class Expiry:
    """When a participant is no longer let in, with their time zones.

    Args:
        certificate: after this moment its certificate is expired.
        revocations: after this moment its list of revoked certificates is too old to start with.
    """

    certificate: datetime
    revocations: datetime

    def of_certificate(self, now: datetime) -> str:
        """The warning that the certificate ends soon, with the mend; empty where it serves for a while."""
        if self.certificate - now >= CERTIFICATE_LEFT:
            return ""
        mend = "run `mithridate renew` on this kit now, and send the key authority what it writes"
        return f"the certificate {_ends(self.certificate, now)}: {mend}"

    def of_revocations(self, now: datetime) -> str:
        """The warning that the list of revoked certificates ends soon, as `of_certificate`."""
        if self.revocations - now >= LIST_LEFT:
            return ""
        mend = f"put a new {LIST_FILE} of the key authority into the kit's {STARTUP} folder"
        return f"the list of revoked certificates {_ends(self.revocations, now)}: {mend}"

    def warnings(self, now: datetime) -> list[str]:
        """Both warnings, where there is any."""
        return [warning for warning in (self.of_certificate(now), self.of_revocations(now)) if warning]


def expiry_of(kit: Kit) -> Expiry:
    """When a kit ends; the list of revoked certificates is read anew, as a running participant may get another."""
    revocations = kit.revocations
    try:
        content = read_bounded(kit.folder / STARTUP / LIST_FILE, MAX_BYTES, "a list of revoked certificates")
        revocations = read_revocations(content, kit.root)
    except (EnrolmentError, CertificateRefused):
        # Where the file was spoilt, what the kit was opened with is all that is known.
        pass
    return Expiry(kit.certificate.not_valid_after_utc, revocations.until)


def _ends(moment: datetime, now: datetime) -> str:
    if now > moment:
        return f"ended on {moment:%Y-%m-%d %H:%M} UTC"
    return f"ends on {moment:%Y-%m-%d %H:%M} UTC, in {(moment - now).days} days"
