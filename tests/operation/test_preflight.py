"""Each thing that can be wrong with a participant is told by its own check, and by no other."""

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mithridate.cli import main
from mithridate.errors import InputError
from mithridate.mpc.remote_peers import PeerService, Seat
from mithridate.operation.preflight.check import Outcome, check, checks
from mithridate.operation.preflight.procedure import examine
from mithridate.operation.site import Site
from mithridate.provisioning.consortium import Role
from mithridate.provisioning.opened_kit import unlocked

PASSWORD = "the password of all of them"  # noqa: S105
AWAY = {"way to the coordinator": "PROBLEM", "admission by the coordinator": "NOT RUN"}
"""The coordinator runs in none of these tests."""
Own = Callable[[str], Path]


def later(**time: float) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + timedelta(**time)


def outcomes(site: Site) -> dict[str, str]:
    """Check to outcome, of those that did not pass."""
    return {f.check: f.outcome.value for f in examine(site) if f.outcome is not Outcome.PASSED}


def text(site: Site, name: str) -> str:
    return next(finding.text for finding in examine(site) if finding.check == name)


def at(kit: Path, password: str = PASSWORD, now: Callable[[], datetime] | None = None) -> Site:
    return Site(kit, lambda: password, now or later())


def settings(kit: Path, old: str, new: str) -> None:
    file = kit / "local" / "participant.toml"
    content = file.read_text(encoding="utf-8")
    assert old in content
    file.write_text(content.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("name", ["hospital-2", "curator"])
def test_a_fit_site_lacks_its_coordinator_only(own: Own, name: str) -> None:
    assert outcomes(at(own(name))) == AWAY


@pytest.mark.parametrize("name", ["coordinator", "auditor", "administrator"])
def test_who_dials_nobody_passes(own: Own, name: str) -> None:
    assert outcomes(at(own(name))) == {}


def test_every_check_concerns_somebody_and_names_what_it_found(own: Own) -> None:
    found = [finding for name in ("hospital-2", "validator-0") for finding in examine(at(own(name)))]
    assert {finding.check for finding in found} == {each.name for each in checks}
    assert all(finding.text for finding in found)


def test_a_check_needs_earlier_ones_only() -> None:
    with pytest.raises(ValueError, match="comes after"):
        check("another", needs=("one that does not exist",))(str)
    with pytest.raises(ValueError, match="exists already"):
        check("ports")(str)


def test_a_key_open_to_others(own: Own) -> None:
    kit = own("auditor")
    (kit.parent / "keys" / "signing.p12").chmod(0o640)
    assert outcomes(at(kit)) == {"permissions": "PROBLEM", "keys": "NOT RUN"}
    assert "chmod 600" in text(at(kit), "permissions")


def test_a_kit_that_others_can_write(own: Own) -> None:
    kit = own("auditor")
    (kit / "local").chmod(0o777)
    assert outcomes(at(kit)) == {"permissions": "PROBLEM", "keys": "NOT RUN"}


def test_another_password(own: Own) -> None:
    assert outcomes(at(own("auditor"), "not the password of it")) == {"keys": "PROBLEM"}


def test_no_password(own: Own) -> None:
    def none() -> str:
        raise InputError("there is no password")

    assert outcomes(Site(own("auditor"), none)) == {"keys": "PROBLEM"}


def test_an_altered_kit(own: Own) -> None:
    kit = own("auditor")
    study = kit / "startup" / "study.json"
    study.write_text(study.read_text(encoding="utf-8").replace("proof", "Proof"), encoding="utf-8")
    found = outcomes(at(kit))
    assert found["start-up kit"] == "PROBLEM"
    assert set(found.values()) == {"PROBLEM", "NOT RUN"}
    assert "study.json is not as the authority signed it" in text(at(kit), "start-up kit")
    assert "peers" not in found, "an auditor has none, whatever its kit is worth"


def test_a_certificate_that_ended(own: Own) -> None:
    assert outcomes(at(own("auditor"), now=later(days=400)))["start-up kit"] == "PROBLEM"


def test_a_certificate_about_to_end(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    # A kit that lies a year has no list of revoked certificates that is believed: so the limit comes to the kit.
    monkeypatch.setattr("mithridate.provisioning.expiry.CERTIFICATE_LEFT", timedelta(days=366))
    kit = own("auditor")
    assert outcomes(at(kit)) == {"certificate": "PROBLEM"}
    assert "UTC, in 364 days: run `mithridate renew` on this kit now" in text(at(kit), "certificate")


def test_a_revocation_list_about_to_end(own: Own) -> None:
    found = outcomes(at(own("auditor"), now=later(days=28)))
    assert found == {"revocation list": "PROBLEM", "clock": "PROBLEM"}


@pytest.mark.parametrize(("seconds", "word"), [(100, "ahead of"), (-100, "behind")])
def test_a_wrong_clock(own: Own, seconds: int, word: str) -> None:
    wrong = at(own("auditor"))
    # The certificate is a minute old, so a clock that is behind would not even open the kit.
    assert wrong.kit
    wrong.now = later(seconds=seconds)
    assert outcomes(wrong) == {"clock": "PROBLEM"}
    assert word in text(wrong, "clock")


def test_a_node_that_is_down(own: Own) -> None:
    kit = own("auditor")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings(kit, "endpoints = [", f'endpoints = ["http://127.0.0.1:{taken.getsockname()[1]}", ')
        found = outcomes(at(kit))
    assert found == {
        "ledger nodes": "PROBLEM",
        **dict.fromkeys(("clock", "contracts", "study", "membership"), "NOT RUN"),
    }


def test_a_policy_that_accepts_nothing(own: Own) -> None:
    kit = own("hospital-2")
    (kit / "local" / "policy.toml").write_text("", encoding="utf-8")
    assert outcomes(at(kit)) == AWAY | {"policy": "PROBLEM"}
    assert "is not accepted" in text(at(kit), "policy")


def test_records_that_are_not_there(own: Own) -> None:
    kit = own("hospital-2")
    settings(kit, 'data = ""', 'data = "../records.csv"')
    assert outcomes(at(kit)) == AWAY | {"records": "PROBLEM"}


def test_a_taken_port(own: Own) -> None:
    kit = own("auditor")
    port = at(kit).kit.settings.monitoring.port
    with socket.create_server(("127.0.0.1", port)):
        assert outcomes(at(kit)) == {"ports": "PROBLEM"}


def test_ports_that_the_participant_itself_holds(own: Own) -> None:
    kit = own("auditor")
    site = at(kit)
    with socket.create_server(("127.0.0.1", site.kit.settings.monitoring.port)), unlocked(site.kit, site.keys.tls):
        assert outcomes(at(kit)) == {}
        assert "runs and holds them" in text(at(kit), "ports")


def test_too_little_room(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mithridate.operation.preflight.machine_checks.SPARE_BYTES", 1 << 60)
    assert outcomes(at(own("auditor"))) == {"disk space": "PROBLEM"}


def test_a_library_that_does_not_fit(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["numpy<1", "a-library-that-nobody-wrote", 'torch<1; extra == "hospital"']
    monkeypatch.setattr("mithridate.operation.preflight.machine_checks.requires", lambda name: lines)
    kit = own("auditor")
    assert outcomes(at(kit)) == {"library versions": "PROBLEM"}
    told = text(at(kit), "library versions")
    assert "numpy" in told
    assert "a-library-that-nobody-wrote is missing" in told
    assert "torch" not in told


def test_validators_see_each_other(own: Own) -> None:
    sites = {name: at(own(name)) for name in ("validator-0", "validator-1", "validator-2")}
    roster = sites["validator-0"].kit.roster
    seats = [
        Seat(m.participant.name, f"{m.participant.host}:{m.participant.port}", m.pem.encode())
        for m in roster.of(Role.VALIDATOR)
    ]
    keys = [site.keys.tls.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for site in sites.values()]
    first = sites["validator-0"]
    one = PeerService(1, (seats[0], seats[1], seats[2]), keys[1], 10, 5.0)
    try:
        assert outcomes(first) == AWAY | {"peers": "PROBLEM"}
        assert "validator-2 does not answer" in text(first, "peers")
        assert "validator-1" not in text(first, "peers")
        other = PeerService(2, (seats[0], seats[1], seats[2]), keys[2], 10, 5.0)
        try:
            assert outcomes(first) == AWAY
        finally:
            other.close()
    finally:
        one.close()


def test_the_command_exits_by_what_it_found(own: Own, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
    (tmp_path / "password").chmod(0o600)
    given = ["--json", "--password-file", str(tmp_path / "password")]
    with pytest.raises(SystemExit) as fit:
        main(["preflight", str(own("auditor")), *given])
    assert fit.value.code == 0
    assert json.loads(capsys.readouterr().out)["passed"] is True
    with pytest.raises(SystemExit) as unfit:
        main(["preflight", str(own("hospital-2")), *given])
    assert unfit.value.code == 1
    told = json.loads(capsys.readouterr().out)
    assert {line["check"]: line["outcome"] for line in told["checks"] if line["outcome"] != "PASSED"} == AWAY
