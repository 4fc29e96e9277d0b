"""The audit of a chain: a clean one, and each kind of disagreement between chain and rules found and named."""

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mithridate.ledger.accounts import Account, new_account
from mithridate.ledger.audit.procedure import ChainAudit, audit_chain
from mithridate.ledger.audit.topics import MEANING, STANDARDS
from mithridate.ledger.chronicle_embedded import JournalChronicle
from mithridate.ledger.codec import ContractCodec
from mithridate.ledger.compile import contract
from mithridate.ledger.deployment import StudyTerms, deploy
from mithridate.ledger.embedded_network import contract_address
from mithridate.ledger.interface import Role
from mithridate.ledger.interface.access import panel_digest
from mithridate.ledger.interface.draws import COMMITTEE_DOMAIN

Scene = Any
Audited = Callable[[Path], ChainAudit]
Altered = Callable[[str, str, str], None]


def topics(audit: ChainAudit) -> set[str]:
    return {finding.topic for finding in audit.findings}


def closed(scene: Scene) -> Path:
    scene.chain.close()
    return Path(scene.path)


def test_nothing_is_found_in_a_clean_study(finished: Scene, audited: Audited) -> None:
    audit = audited(finished.path)
    assert [str(finding) for finding in audit.findings] == []
    assert audit.state_compared
    assert {key: tally.supporters for key, tally in audit.attempts.items()} == {
        (1, 0): {"Bound": 2, "Finalised": 2, "release": 2},
        (2, 0): {},
        (2, 1): {"Bound": 2, "Finalised": 2, "release": 2},
    }
    assert [label for label, _ in audit.reputation] == ["1", "2.2"]
    assert audit.reputation[-1][1] == [0.75, 0.75, 0.5, 0.75]
    assert audit.ledger is not None
    assert audit.ledger.current_model() == finished.model(2, 1)


def test_every_kind_of_change_is_played_under_the_rules(scene: Scene, audited: Audited) -> None:
    """Membership, late votes, a rollback, certificates, suspension by verdict and access to records."""
    scene.to("begun").attempt_to("released")
    scene.attempt_to("drawn", 2)
    scene.bind(2, verdicts=b"\0\0\1\x0c")
    for validator in scene.validators:
        validator.attest_model(2, 0, scene.model(2))
    scene.release(2, passed=True)
    scene.auditor.certify(scene.model(2), hashlib.sha256(b"report").digest())
    scene.auditor.file_finding(scene.model(2), hashlib.sha256(b"again").digest(), "worst class")
    for validator in scene.validators[:2]:
        validator.vote_rollback(scene.model(1), "finding")
    scene.auditor.withdraw_statement(scene.model(2), "mistaken")
    scene.administrator.suspend(scene.accounts["hospital-0"].address, "contract ended")
    scene.administrator.reinstate(scene.accounts["hospital-0"].address, "renewed")
    scene.administrator.enrol(new_account().address, Role.ADMINISTRATOR)
    scene.administrator.set_threshold(2)
    scene.validators[0].register_keys(signing_key=b"\2" + bytes(range(32)))
    open_record(scene)
    scene.hospitals[3].complain(2, 0, "not what I sent")
    scene.hospitals[2].refuse_study("clip above 1.0")
    scene.hospitals[0].refuse_study("validator-1")
    scene.hospitals[2].withdraw_refusal("policy 2")
    audit = audited(closed(scene))
    assert [str(finding) for finding in audit.findings] == []
    assert audit.reputation[-1][1][3] == 0.5
    assert {"access", "roster and keys", "notices"} <= set(audit.findings.compared)
    assert audit.ledger is not None
    assert [(each.round, each.hospital) for each in audit.ledger.complaints()] == [(2, 3)]
    assert [each.hospital for each in audit.ledger.refusals()] == [0]
    assert any("certified" in sentence for _, _, sentence in audit.transitions)


def open_record(scene: Scene) -> None:
    handle, salts = hashlib.sha256(b"handle").digest(), [bytes([place]) * 32 for place in range(3)]
    asking, hospital = scene.physicians[0], scene.hospitals[1]
    asking.request_access(handle, hospital.address, hashlib.sha256(b"purpose").digest(), asking.now() + 1000)
    doctors = scene.physicians[1:4]
    panel = [panel_digest(handle, salt, doctor.address) for salt, doctor in zip(salts, doctors, strict=True)]
    hospital.admit_request(handle, panel, 2)
    for salt, doctor in list(zip(salts, doctors, strict=True))[:2]:
        doctor.approve_access(handle, salt)
    hospital.log_access(handle)


SAID: list[tuple[str, str, str, str]] = [
    ("attempt=attempt, hospital=hospital, at", "hospital=hospital", "hospital=3", "complaint of hospital-0"),
    ("    self.complaint_count = number", "number", "number + 1", "number of complaints"),
    ("Refusal(at=block.timestamp,", "block.timestamp", "1", "refusal of hospital-1"),
    ("    self.refusals[hospital] = empty(Refusal)", "empty(Refusal)", "self.refusals[0]", "refusal of hospital-0"),
]
"""A line of the contract of notices, what is altered in it, to what, and where the audit finds it."""


@pytest.mark.parametrize(("line", "before", "after", "where"), SAID)
def test_a_statement_that_the_chain_keeps_otherwise_is_found(
    make_scene: Callable[..., Scene],
    audited: Audited,
    altered: Altered,
    line: str,
    before: str,
    after: str,
    where: str,
) -> None:
    altered("Notices", line, line.replace(before, after))
    scene = make_scene().to("begun")
    scene.attempt_to("submitted")
    scene.hospitals[0].complain(1, 0, "lost")
    for hospital in scene.hospitals[:2]:
        hospital.refuse_study("policy")
    scene.hospitals[0].withdraw_refusal("policy 2")
    audit = audited(closed(scene))
    assert topics(audit) == {"notices"}
    assert any(finding.where.startswith(where) for finding in audit.findings)


def test_a_complaint_that_the_rules_refuse_is_found(
    make_scene: Callable[..., Scene], audited: Audited, altered: Altered
) -> None:
    altered("Notices", 'assert digests[0] != empty(bytes32), "nothing submitted"', "pass")
    scene = make_scene().to("begun")
    scene.attempt_to("submitted")
    scene.hospitals[2].complain(1, 0, "lost")
    audit = audited(closed(scene))
    assert topics(audit) == {"rules", "notices"}
    assert any("there is nothing to complain of" in finding.what for finding in audit.findings)


def draw(scene: Scene, accounts: list[Any], clock: Any) -> None:
    view = scene.coordinator
    number = view.open_draw(view.now() + 100, view.now() + 200)
    values = [hashlib.sha256(bytes([rank])).digest() for rank in range(len(accounts))]
    views = [scene.chain.as_party(account) for account in accounts]
    for validator, value in zip(views, values, strict=True):
        validator.commit_draw(number, hashlib.sha256(COMMITTEE_DOMAIN + value).digest())
    for validator, value in list(zip(views, values, strict=True))[:-1]:
        validator.reveal_draw(number, value)
    clock.seconds += 300
    scene.stranger.settle_draw(number)


def pool(make_scene: Callable[..., Scene]) -> tuple[Scene, list[Any]]:
    accounts = [new_account() for _ in range(5)]
    return make_scene(validators=[account.address for account in accounts], rotation=2), accounts


def test_a_draw_is_recomputed(make_scene: Callable[..., Scene], clock: Any, audited: Audited) -> None:
    scene, accounts = pool(make_scene)
    draw(scene, accounts, clock)
    audit = audited(closed(scene))
    assert [str(finding) for finding in audit.findings] == []
    assert audit.ledger is not None
    assert audit.ledger.draw(1).committee is not None
    assert audit.ledger.withheld(accounts[-1].address) == 1


def test_a_draw_of_others_is_found(
    make_scene: Callable[..., Scene], clock: Any, audited: Audited, altered: Altered
) -> None:
    altered("Committees", "ticket < lowest", "ticket > lowest")
    scene, accounts = pool(make_scene)
    draw(scene, accounts, clock)
    audit = audited(closed(scene))
    assert topics(audit) == {"committees"}


def test_a_majority_of_one_is_found(make_scene: Callable[..., Scene], audited: Audited, altered: Altered) -> None:
    altered("Study", "MAJORITY: constant(uint256) = 2", "MAJORITY: constant(uint256) = 1")
    scene = make_scene().to("begun")
    scene.attempt_to("submitted")
    scene.validators[0].close_submissions(1, 0)
    scene.reveal()
    scene.validators[0].attest_verdicts(1, 0, b"\0\0\1\0")
    scene.validators[0].attest_model(1, 0, scene.model(1))
    scene.validators[0].vote_release(1, 0, True)
    audit = audited(closed(scene))
    told = [str(finding) for finding in audit.findings]
    assert {"rules", "verdicts", "models", "rounds"} <= topics(audit)
    assert any("only 1 of 3 validators of the committee signed it" in each for each in told)
    assert any(each.startswith("models: current model: the chain says") for each in told)


def test_misstated_reputation_is_found_and_its_hospital_named(
    make_scene: Callable[..., Scene], audited: Audited, altered: Altered
) -> None:
    altered("Reputation", "changes |= 1 << place", "changes |= 3 << place")
    scene = make_scene().to("begun")
    scene.attempt_to("released")
    audit = audited(closed(scene))
    assert topics(audit) == {"reputation"}
    assert "hospital-0: 3 accepted and 0 rejected by the chain, 1 accepted and 0 rejected by the bound verdicts" in [
        str(finding).removeprefix("reputation: ") for finding in audit.findings
    ]


def test_a_wrong_seed_is_found(make_scene: Callable[..., Scene], audited: Audited, altered: Altered) -> None:
    altered("Study", "convert(self.attempts[key].seed, uint256) ^", "convert(self.attempts[key].seed, uint256) |")
    scene = make_scene().to("begun")
    scene.attempt_to("drawn")
    audit = audited(closed(scene))
    assert "randomness" in topics(audit)
    assert any("the revealed values give" in finding.what for finding in audit.findings)


def test_a_value_that_was_never_committed_is_found(
    make_scene: Callable[..., Scene], audited: Audited, altered: Altered
) -> None:
    altered("Study", 'assert commitment == self.attempts[key].commitments[rank], "not what was committed"', "pass")
    scene = make_scene().to("begun")
    scene.attempt_to("closed")
    scene.validators[0].reveal_randomness(1, 0, bytes(31) + b"\1")
    audit = audited(closed(scene))
    assert any("not what was committed" in f.what or "the rules refuse it" in f.what for f in audit.findings)


def test_a_model_that_did_not_become_stable_is_found(
    make_scene: Callable[..., Scene], audited: Audited, altered: Altered
) -> None:
    altered("Models", "    self._release(self.current_model)", "    self.models[self.current_model].state = RELEASED")
    scene = make_scene().to("begun")
    scene.attempt_to("released")
    audit = audited(closed(scene))
    assert topics(audit) == {"models"}
    assert any(finding.where == "stable model" for finding in audit.findings)


def test_a_call_that_only_the_study_may_make_is_found(
    make_scene: Callable[..., Scene], audited: Audited, altered: Altered
) -> None:
    altered("Models", 'assert msg.sender == self.study, "only the study"', "pass")
    scene = make_scene().to("begun")
    forged = hashlib.sha256(b"forged").digest()
    scene.stranger._write("Models", "attested", forged)
    audit = audited(closed(scene))
    told = [str(finding) for finding in audit.findings]
    assert any("only the study's own contract may call Models.attested" in each for each in told)
    assert any(forged.hex()[:16] in each and each.startswith("models") for each in told)


def test_another_code_is_no_study(
    make_scene: Callable[..., Scene], audited: Audited, altered: Altered, request: Any
) -> None:
    altered("Models", "self.stable_model = model", "pass")
    path = closed(make_scene().to("begun"))
    request.getfixturevalue("monkeypatch").undo()
    audit = audited(path)
    assert topics(audit) == {"rules"}
    assert "not the published ones" in str(next(iter(audit.findings)))


def test_an_altered_journal_is_named_and_what_came_before_compared(
    finished: Scene, tmp_path: Path, audited: Audited
) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(finished.path.read_bytes())
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE blocks SET transactions = zeroblob(9) WHERE number = 30")
        database.commit()
    audit = audited(path)
    (finding,) = audit.findings
    assert (finding.topic, audit.height) == ("chain", 29)
    assert "block 30" in str(finding)
    assert audit.state_compared


def test_the_journals_end_is_checked(finished: Scene, tmp_path: Path, audited: Audited) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(finished.path.read_bytes())
    with closing(sqlite3.connect(path)) as database:
        database.execute("DELETE FROM blocks WHERE number = (SELECT max(number) FROM blocks)")
        database.commit()
    assert topics(audited(path)) == {"chain"}


def test_the_file_is_left_as_it_is(finished: Scene, audited: Audited) -> None:
    before = finished.path.read_bytes()
    audited(finished.path)
    assert finished.path.read_bytes() == before


ELSEWHERE = {STANDARDS, "seals", "study file", "records", "model files", "access"}
"""Topics of networks, of the files beside the ledger, and of what this study never does."""


@pytest.mark.parametrize("topic", sorted(set(MEANING) - ELSEWHERE))
def test_every_topic_of_the_chain_is_looked_at(finished: Scene, audited: Audited, topic: str) -> None:
    assert audited(finished.path).findings.compared[topic] > 0


def test_notices_are_those_that_the_studys_maker_made_with_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a chain of many studies a stranger puts notices there that ask the same consortium, just before the study."""
    network, maker, stranger = scene.chain._network, new_account(), scene.accounts["stranger"]
    codec, notices, study = ContractCodec.of("Notices"), contract("Notices"), contract("Study")
    interposed: list[str] = []
    put = network.deploy

    def interposing(account: Account, data: bytes) -> str:
        if data.startswith(study.creation_code):
            asked = codec.constructor([contract_address(maker.address, 0)])
            interposed.append(put(stranger, notices.creation_code + asked))
        return str(put(account, data))

    monkeypatch.setattr(network, "deploy", interposing)
    terms = StudyTerms(bytes([1]) * 32, scene.coordinator.address, [v.address for v in scene.validators], 2, 2)
    deployment = deploy(network, maker, terms)
    network.transact(stranger, interposed[0], codec.call("attach", [deployment.addresses["Study"]]))
    path = closed(scene)
    monkeypatch.setattr(JournalChronicle, "own", False)
    chronicle = JournalChronicle(path)
    audit = audit_chain(chronicle, study=deployment.addresses["Study"])
    chronicle.close()
    assert [str(finding) for finding in audit.findings] == []
    assert audit.deployment is not None
    assert audit.deployment.addresses == deployment.addresses


def test_votes_of_several_administrators_are_played(make_scene: Callable[..., Scene], audited: Audited) -> None:
    second = new_account()
    scene = make_scene(administrators=[second.address], threshold=2)
    other = scene.chain.as_party(second)
    auditor = scene.accounts["auditor"].address
    other._decide("Consortium", "add_study", scene.chain.deployment.addresses["Study"])
    for role, names in (
        (Role.COORDINATOR, ["coordinator"]),
        (Role.VALIDATOR, [f"validator-{rank}" for rank in range(3)]),
    ):
        for name in names:
            other.enrol(scene.accounts[name].address, role)
    scene.administrator.enrol(auditor, Role.AUDITOR)
    assert not scene.chain.reader.is_active(auditor, Role.AUDITOR)
    other.enrol(auditor, Role.AUDITOR)
    audit = audited(closed(scene))
    assert [str(finding) for finding in audit.findings] == []
    assert audit.ledger is not None
    assert audit.ledger.is_active(auditor, Role.AUDITOR)
    assert len(audit.ledger.members(Role.VALIDATOR)) == 3
