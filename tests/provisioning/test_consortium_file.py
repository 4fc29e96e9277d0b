from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithridate.errors import ConsortiumError
from mithridate.provisioning.consortium import Consortium, Role, load_consortium, parse_consortium

VALIDATORS = """
  - {name: coordinator, role: coordinator, organisation: university, host: localhost, port: 8002}
  - {name: validator-1, role: validator, organisation: university, host: localhost, port: 9001}
  - {name: validator-2, role: validator, organisation: ministry, host: localhost, port: 9002}
  - {name: validator-3, role: validator, organisation: patients, host: 10.0.0.3, port: 9003}"""
SOUND = (
    f"consortium: lungs\nparticipants:{VALIDATORS}\n  - {{name: hospital-1, role: hospital, organisation: clinic}}\n"
)


def refusal(text: str) -> str:
    with pytest.raises(ConsortiumError) as refused:
        parse_consortium(text.encode(), "consortium.yml")
    return str(refused.value)


def test_a_sound_file_is_read(consortium: Consortium) -> None:
    assert parse_consortium(SOUND.encode(), "x").coordinator.port == 8002
    assert consortium.participant("registrar").subject == "registrar@university.example"
    assert consortium.participant("hospital-1").subject == "hospital-1"
    assert [person.name for person in consortium.of(Role.HOSPITAL)] == ["hospital-1", "hospital-2"]


def test_a_participant_that_is_not_listed_is_named_with_those_that_are(consortium: Consortium) -> None:
    with pytest.raises(ConsortiumError, match="no participant 'hospital-9': one of coordinator, validator-1"):
        consortium.participant("hospital-9")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("organisation: clinic", "organisation: clinic, prt: 3", "did you mean participants.4.port?"),
        ("role: hospital", "role: hospitl", "'hospital', 'curator'"),
        ("organisation: clinic", "organisation: clinic, port: 8005", "only dials out and opens no port"),
        (", port: 8002", "", "participants.0.port = (none): should be given"),
        ("port: 8002", "port: 70000", "participants.0.port = 70000"),
        ("name: validator-2", "name: validator-1", "should be the name of one participant only"),
        ("port: 9002", "port: 9001", "should be the host and port of one participant only"),
        ("organisation: ministry", "organisation: University", "should run one validator only"),
        (
            "role: validator, organisation: ministry",
            "role: coordinator, organisation: ministry",
            "exactly one coordinator",
        ),
        ("name: validator-2, role: validator", "name: validator-2, role: auditor", "3 validators or more"),
        ("name: hospital-1, role: hospital", "name: hospital-1, role: curator", "should hold a hospital"),
        ("role: hospital", "role: administrator", "participants.4.email = (none)"),
        ("name: hospital-1", "name: server", "reads this word as its own"),
        ("name: hospital-1", "name: nan", "reads this word as its own"),
        ("name: hospital-1", 'name: "../hospital"', "participants.4.name"),
        ("name: hospital-1", "name: 007", "participants.4.name"),
        ("host: localhost, port: 8002", "host: 'a/b', port: 8002", "participants.0.host"),
        ("organisation: clinic", "organisation: clinic, node: 'http://me:secret@host'", "without a password"),
        ("consortium: lungs", "consortium: lungs\nconsortium: hearts", "'consortium' is given twice"),
        ("organisation: clinic", "organisation: clinic, organisation: other", "'organisation' is given twice"),
        ("consortium: lungs", "consortium: &name lungs", "anchors and aliases are not used here"),
        ("consortium: lungs", "consortium: !!python/name:os.system lungs", "tags are not used here"),
        ("consortium: lungs", "consortium: !!bool lungs", "tags are not used here"),
        ("consortium: lungs", "consortium: 2001-99-99", "not valid YAML"),
        ("consortium: lungs", "consortium: [lungs", "line 2"),
        ("consortium: lungs", "consortium: " + "[" * 50_000, "nested deeper than 16 times"),
        ("consortium: lungs", "consortium: {[a]: 1}", "a key should be text"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(old: str, new: str, told: str) -> None:
    assert old in SOUND
    assert told in refusal(SOUND.replace(old, new, 1))


def test_every_problem_is_told_at_once() -> None:
    told = refusal(
        SOUND.replace("port: 9001", "port: 9002").replace("organisation: patients", "organisation: ministry")
    )
    assert "host and port" in told
    assert "one validator only" in told


def test_a_missing_and_an_oversized_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConsortiumError, match="cannot be read"):
        load_consortium(tmp_path / "none.yml")
    (tmp_path / "big.yml").write_bytes(b"#" * (1 << 20) + b"##")
    with pytest.raises(ConsortiumError, match="more than 1048576 bytes"):
        load_consortium(tmp_path / "big.yml")


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_bytes_raise_anything_but_the_error(content: bytes) -> None:
    with pytest.raises(ConsortiumError):
        parse_consortium(content, "consortium.yml")
