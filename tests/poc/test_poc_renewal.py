"""A hospital and a validator are renewed between two rounds, keys and all, and the study goes on with both."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mithridate.crypto.keys import public_to_bytes
from mithridate.errors import CertificateRefused
from mithridate.evaluation.records import SilentObserver
from mithridate.ledger import keystore as accounts
from mithridate.ledger.interface import AttemptState, Phase
from mithridate.ledger.interface import Role as LedgerRole
from mithridate.poc.consortium import Place
from mithridate.poc.run import Poc
from mithridate.poc.study import poc_study
from mithridate.provisioning import keystore
from mithridate.provisioning.authority import open_authority
from mithridate.provisioning.engine_driver import ask_admission_with
from mithridate.provisioning.enrolment import read_enrolment
from mithridate.provisioning.keys import Replaceable, read_keys
from mithridate.provisioning.kit import Contents, write_kits
from mithridate.provisioning.ledger_terms import deployed
from mithridate.provisioning.opened_kit import Kit, open_kit
from mithridate.provisioning.renewal import renew
from mithridate.provisioning.request import read_request
from mithridate.provisioning.revocation import LIST_FILE
from mithridate.provisioning.study_inputs import read_inputs
from mithridate.verification.verdict import Rule

HOSPITAL, VALIDATOR = "hospital-3", "validator-1"
VALIDATORS = ["validator-0", "validator-1", "validator-2"]
LIMIT_S = 900.0
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("poc"), pytest.mark.timeout(1500)]


@dataclass
class Renewals:
    """What administrators and the key authority do while the study runs, at its points."""

    poc: Poc
    before: dict[str, Kit] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    refused: str = ""
    metrics: str = ""

    @property
    def password(self) -> str:
        return self.poc._password

    def look(self) -> None:
        state = self.poc.chain.reader.latest()
        if state is None:
            return
        if not self.done and (state.round > 1 or state.phase >= Phase.DRAWN):
            self.done.append("stopped")
            self.poc.processes[HOSPITAL].stop()
        elif self.done == ["stopped"] and (state.round, state.phase) == (2, Phase.SUBMITTING):
            self.done.append("renewed")
            self.renew_both()
        elif self.done == ["stopped", "renewed"] and self.submitted(state):
            self.done.append("revoked")
            self.bring_the_list()

    def submitted(self, state: AttemptState) -> bool:
        index = list(self.poc.consortium.enrolled.hospitals).index(HOSPITAL)
        return state.round == 2 and index in state.submissions

    def renew_both(self) -> None:
        for name in VALIDATORS:
            self.poc.processes[name].stop()
        self.ask_and_sign(HOSPITAL, Replaceable.SIGNING, Replaceable.ENVELOPE)
        self.ask_and_sign(VALIDATOR, Replaceable.SIGNING)
        study = self.poc.consortium.study
        terms, resolved = deployed(study)
        authority = open_authority(self.poc.folder / "authority", self.password)
        kits = write_kits(authority, self.poc.folder / "next", Contents(terms, resolved, read_inputs(study)))
        for name in (HOSPITAL, *VALIDATORS):
            shutil.copytree(kits[name] / "startup", self.place(name).kit / "startup", dirs_exist_ok=True)
            self.poc.processes[name].start()

    def ask_and_sign(self, name: str, *replaced: Replaceable) -> None:
        place = self.place(name)
        authority = open_authority(self.poc.folder / "authority", self.password)
        self.before[name] = open_kit(place.kit, authority.fingerprint)
        request = place.folder / "renewal.json"
        renew(place.kit, place.folder / "new-keys", request, self.password, replaced)
        authority.sign(read_request(request.read_bytes()))
        place.keys.rename(place.folder / "old-keys")
        (place.folder / "new-keys").rename(place.keys)

    def bring_the_list(self) -> None:
        """To the coordinator; then somebody comes with the certificate that was renewed."""
        startup = self.place("coordinator").kit / "startup"
        shutil.copyfile(self.poc.folder / "authority" / LIST_FILE, startup / f"{LIST_FILE}.new")
        (startup / f"{LIST_FILE}.new").replace(startup / LIST_FILE)
        old = read_keys(self.place(HOSPITAL).folder / "old-keys", self.password)
        key = old.tls.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with pytest.raises(CertificateRefused) as told:
            ask_admission_with(self.before[HOSPITAL], key, timeout=20.0, patience=5.0)
        self.refused = str(told.value)
        with urllib3.PoolManager(retries=False) as pool:
            answer = pool.request("GET", f"http://127.0.0.1:{self.place(HOSPITAL).monitor}/metrics")
        self.metrics = answer.data.decode()

    def place(self, name: str) -> Place:
        return self.poc.consortium.places[name]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("renewal") / "consortium"
    study = poc_study(None, 5, ["training.rounds=2", "training.local_epochs=2"])
    with pytest.MonkeyPatch.context() as patch:
        # Guessing these passwords may be cheap.
        patch.setattr(keystore, "KDF_ROUNDS", 1_000)
        patch.setattr(accounts, "SCRYPT_N", 1 << 10)
        with Poc(folder, study, "embedded", SilentObserver()) as poc:
            poc.start()
            renewals = Renewals(poc)
            last = poc.follow(renewals.look, LIMIT_S)
            yield poc, renewals, last


def test_the_study_goes_on_with_the_renewed(played: Any) -> None:
    poc, renewals, last = played
    assert renewals.done == ["stopped", "renewed", "revoked"]
    assert (last.round, last.phase) == (2, Phase.RELEASED)
    assert len(last.attestations) == len(VALIDATORS)
    verdict = Rule(last.verdicts[list(poc.consortium.enrolled.hospitals).index(HOSPITAL)])
    assert verdict not in (Rule.ABSENT, Rule.SIGNATURE, Rule.ENVELOPE)


def test_the_ledger_holds_the_new_keys_of_the_same_accounts(played: Any) -> None:
    poc, renewals, _ = played
    for name, role in ((HOSPITAL, LedgerRole.HOSPITAL), (VALIDATOR, LedgerRole.VALIDATOR)):
        held = read_keys(renewals.place(name).keys, renewals.password)
        account = renewals.before[name].member.keys.account
        member = next(each for each in poc.chain.reader.members(role) if each.address == account)
        assert held.account.address == account
        assert member.signing_key == public_to_bytes(held.signing.public_key())
        assert member.signing_key.hex() != renewals.before[name].member.keys.signing_key
        assert member.envelope_key == public_to_bytes(held.envelope.public_key())


def test_metrics_tell_when_the_new_certificate_ends(played: Any) -> None:
    _, renewals, _ = played
    place = renewals.place(HOSPITAL)
    kit = open_kit(place.kit, read_enrolment(place.keys).authority)
    lines = [
        line for line in renewals.metrics.splitlines() if line.startswith("mithridate_certificate_expires_seconds")
    ]
    assert [float(line.split()[-1]) for line in lines] == [kit.certificate.not_valid_after_utc.timestamp()]
    assert kit.certificate.serial_number != renewals.before[HOSPITAL].certificate.serial_number


def test_the_certificate_before_is_turned_away(played: Any) -> None:
    _, renewals, _ = played
    assert f"{HOSPITAL} (organisation hospital_3) is refused: the authority revoked its certificate (superseded)" in (
        renewals.refused
    )
