"""`mithridate status`: a participant that runs, one that does not, and one in trouble."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from mithridate.cli import main
from mithridate.federation.remote.agent import Status
from mithridate.federation.remote.monitoring import Monitor, Told
from mithridate.operation.site import Site
from mithridate.operation.status import overview
from mithridate.provisioning.opened_kit import in_use, unlocked

PASSWORD = "the password of all of them"  # noqa: S105
Own = Callable[[str], Path]


@contextmanager
def running(kit: Path, status: Status, name: str = "coordinator") -> Iterator[None]:
    """The kit's lock held, and its monitor listening, as a participant's process does both."""
    site = Site(kit, lambda: PASSWORD)
    monitor = Monitor(
        Told(name, "coordinator", status, sites=lambda: ["hospital-1"]), site.kit.settings.monitoring.port
    )
    try:
        with unlocked(site.kit, site.keys.tls):
            yield
    finally:
        monitor.close()


def told(kit: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[object, str]:
    with pytest.raises(SystemExit) as ended:
        main(["status", str(kit), *options])
    return ended.value.code, capsys.readouterr().out


def test_one_that_does_not_run_says_so_and_tells_the_ledger(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = told(own("hospital-2"), capsys)
    assert code == 1
    assert said.splitlines() == [
        "hospital-2 (hospital): it does not run on this machine",
        "ledger: the study has not begun",
    ]


def test_a_certificate_about_to_end_is_warned_of(
    own: Own, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mithridate.provisioning.expiry.CERTIFICATE_LEFT", timedelta(days=366))
    kit = own("coordinator")
    with running(kit, Status(doing="relaying")):
        code, said = told(kit, capsys)
        document = json.loads(told(kit, capsys, "--json")[1])
    assert code == 0
    (warning,) = document["warnings"]
    assert said.splitlines()[-1] == f"warning: {warning}"
    assert "run `mithridate renew`" in warning
    assert document["certificate_expires"] == int(
        Site(kit, lambda: PASSWORD).kit.certificate.not_valid_after_utc.timestamp()
    )


def test_a_coordinator_tells_who_is_connected(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    kit = own("coordinator")
    with running(kit, Status(doing="relaying")):
        assert in_use(kit)
        code, said = told(kit, capsys)
    assert not in_use(kit)
    assert code == 0
    assert "relaying since" in said
    assert "sites: 1 of 9 connected; missing: validator-0, validator-1, validator-2, curator, hospital-0, hosp" in said


def test_one_in_trouble_is_not_well(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    kit = own("coordinator")
    with running(kit, Status(doing="relaying", problem="LedgerError: no node answers")):
        code, said = told(kit, capsys, "--json")
    document = json.loads(said)
    assert code == 1
    assert document["running"] is True
    assert document["well"] is False
    assert document["process"]["problem"] == "LedgerError: no node answers"


def test_another_process_on_the_port_is_not_taken_for_it(own: Own) -> None:
    kit = own("coordinator")
    with running(kit, Status(), name="somebody-else"):
        found = overview(Site(kit, lambda: PASSWORD))
    assert found.process is None
    assert "something else answers" in found.note


def test_without_a_port_it_says_what_to_set(own: Own) -> None:
    kit = own("coordinator")
    site = Site(kit, lambda: PASSWORD)
    file = kit / "local" / "participant.toml"
    port = f"port = {site.kit.settings.monitoring.port}"
    file.write_text(file.read_text(encoding="utf-8").replace(port, "port = 0"), encoding="utf-8")
    with unlocked(site.kit, site.keys.tls):
        found = overview(Site(kit, lambda: PASSWORD))
    assert found.running
    assert "set `port` in [monitoring]" in found.note


def test_a_ledger_that_cannot_be_reached_is_told(own: Own) -> None:
    kit = own("hospital-2")
    file = kit / "local" / "participant.toml"
    text = file.read_text(encoding="utf-8")
    start = text.index("endpoints = [")
    file.write_text(text[:start] + 'endpoints = ["http://127.0.0.1:9"]' + text[text.index("\n", start) :], "utf-8")
    site = Site(kit, lambda: PASSWORD)
    site.network._nodes._patience = 0.1
    found = overview(site)
    assert found.ledger is None
    assert "127.0.0.1:9" in found.ledger_note
