"""A participant is told before its certificate or its list of revoked certificates ends."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mithridate.provisioning.authority import Authority
from mithridate.provisioning.expiry import CERTIFICATE_LEFT, LIST_LEFT, Expiry, expiry_of
from mithridate.provisioning.opened_kit import open_kit
from mithridate.provisioning.revocation import LIST_FILE, Reason

NOW = datetime(2027, 1, 15, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (CERTIFICATE_LEFT, ""),
        (CERTIFICATE_LEFT - SECOND, "the certificate ends on 2027-01-29 11:59 UTC, in 13 days: run `mithridate renew`"),
        (timedelta(0), "the certificate ends on 2027-01-15 12:00 UTC, in 0 days: run `mithridate renew`"),
        (-SECOND, "the certificate ended on 2027-01-15 11:59 UTC: run `mithridate renew`"),
    ],
)
def test_a_certificate_is_warned_of_two_weeks_before(left: timedelta, told: str) -> None:
    expiry = Expiry(NOW + left, NOW + timedelta(days=30))
    assert expiry.of_certificate(NOW).startswith(told)
    assert bool(expiry.of_certificate(NOW)) == bool(told)
    assert expiry.warnings(NOW) == [expiry.of_certificate(NOW)] * bool(told)


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (LIST_LEFT, ""),
        (LIST_LEFT - SECOND, "the list of revoked certificates ends on 2027-01-18 11:59 UTC, in 2 days: put a new"),
        (-SECOND, "the list of revoked certificates ended on 2027-01-15 11:59 UTC: put a new revoked.crl"),
    ],
)
def test_a_list_is_warned_of_three_days_before(left: timedelta, told: str) -> None:
    expiry = Expiry(NOW + timedelta(days=300), NOW + left)
    assert expiry.of_revocations(NOW).startswith(told)
    assert expiry.warnings(NOW) == [expiry.of_revocations(NOW)] * bool(told)


def test_a_new_list_counts_while_the_participant_runs(authority: Authority, kits: dict[str, Path]) -> None:
    kit, file = open_kit(kits["auditor"], authority.fingerprint), kits["auditor"] / "startup" / LIST_FILE
    before = expiry_of(kit)
    assert before == Expiry(kit.certificate.not_valid_after_utc, kit.revocations.until)
    longer = authority.consortium.certificates.model_copy(update={"revocation_days": 90})
    consortium = authority.consortium.model_copy(update={"certificates": longer})
    replace(authority, consortium=consortium).revoke("hospital-2", Reason.LEFT)
    shutil.copyfile(authority.folder / LIST_FILE, file)
    assert expiry_of(kit).revocations > before.revocations + timedelta(days=59)
    for spoilt in (b"", b"nonsense"):
        file.write_bytes(spoilt)
        assert expiry_of(kit) == before
