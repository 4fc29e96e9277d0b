"""The run folder: what a run writes down, and what each party of the local runtime keeps there for itself."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from mithridate.crypto.keys import PrivateKey, generate, private_from_pem, private_to_pem
from mithridate.errors import RunError
from mithridate.evaluation.records import ROUNDS_FILE, STUDY_FILE
from mithridate.ledger.accounts import Account, account_from_key, new_account
from mithridate.ledger.run_ledger import JOURNAL_FILE
from mithridate.ledger.verify import MODELS_FOLDER
from mithridate.study import Study

_ACCOUNT = "account.key"
_SECRET_BYTES = 32


@dataclass(frozen=True)
class RunFolder:
    """One run's folder.

    Args:
        path: of the folder.
    """

    path: Path

    @property
    def journal(self) -> Path:
        """The ledger's journal."""
        return self.path / JOURNAL_FILE

    @property
    def records(self) -> Path:
        """One line a round."""
        return self.path / ROUNDS_FILE

    @property
    def models(self) -> Path:
        """The model store."""
        return self.path / MODELS_FOLDER

    def party(self, name: str) -> "PartyFolder":
        """What one party keeps for itself, its keys among it; made if missing, readable by its owner only."""
        folder = self.path / "parties" / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return PartyFolder(folder)

    def begin(self, study: Study, *, resume: bool) -> None:
        """Makes the folder and binds it to the study.

        Raises:
            RunError: it holds a run already and `resume` was not asked for, or it holds another study's.
        """
        file = self.path / STUDY_FILE
        if not file.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            _write(file, study.to_json().encode())
            return
        if not resume:
            raise RunError(f"{self.path} holds a run already: go on with --resume, or choose another folder with --out")
        if file.read_text(encoding="utf-8") != study.to_json():
            raise RunError(
                f"{self.path} holds a run of another study or of other settings: resume it with the study file and "
                "--set options it was started with"
            )


@dataclass(frozen=True)
class PartyFolder:
    """One party's own folder in the local runtime. Its keys lie there in the clear: a run folder is a simulation's.

    Args:
        path: of the folder.
    """

    path: Path

    def account(self) -> Account:
        """The party's ledger account, made at first use."""
        file = self.path / _ACCOUNT
        if file.exists():
            return account_from_key(file.read_bytes())
        account = new_account()
        _write(file, account.key)
        return account

    def secret(self, name: str) -> bytes:
        """32 random bytes of that name, drawn at first use."""
        file = self.path / f"{name}.secret"
        if not file.exists():
            _write(file, secrets.token_bytes(_SECRET_BYTES))
        return file.read_bytes()

    def key(self, name: str) -> PrivateKey:
        """The party's P-256 key of that name ("signing", "envelope"), made at first use."""
        file = self.path / f"{name}.pem"
        if file.exists():
            return private_from_pem(file.read_bytes(), passphrase=None)
        key = generate()
        _write(file, private_to_pem(key, passphrase=None))
        return key


def _write(file: Path, data: bytes) -> None:
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
