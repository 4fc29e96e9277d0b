"""The errors of the protocol, named after what went wrong.

A message says what is wrong, why it matters where that is not plain, and how to mend it.
"""


class MithridateError(Exception):
    """Anything Mithridate raises on purpose. The commands print it without a traceback and exit with `exit_code`."""

    exit_code = 1


class InputError(MithridateError):
    """What the user gave cannot be used: a study file, a dataset, a model, an option."""

    exit_code = 2


class StudyError(InputError):
    """The study file holds an unknown key, a wrong type or an impossible combination."""


class DataError(InputError):
    """A dataset is missing, unreadable, or cannot be split as the study asks."""


class ModelError(InputError):
    """A model cannot be built, trained or lowered to the encrypted runtime."""


class ConsortiumError(InputError):
    """The consortium file holds an unknown key, a wrong type or participants that do not go together."""


class EnrolmentError(InputError):
    """Keys, a request, a certificate register or a start-up kit cannot be used as they are."""


class RunError(InputError):
    """A run folder is missing, incomplete, or belongs to another study."""


class PolicyError(InputError):
    """This site's own policy does not accept a study, or cannot be read; the message says why."""


class EmulationUnavailable(InputError):
    """Networks cannot be emulated here: the message says which right, device or program is missing."""


class BenchmarkError(MithridateError):
    """What a benchmark measures is wrong or did not run, so that its time would mean nothing."""


class ProtocolError(MithridateError):
    """A party did not follow the protocol. One of these from a hospital rejects that hospital only."""


class EncodingError(ProtocolError):
    """A value is not finite or does not fit the fixed-point ring."""


class MessageError(ProtocolError):
    """Bytes from another party are malformed, too large, of the wrong shape or of another version."""


class EnvelopeError(ProtocolError):
    """A sealed envelope does not open: altered, or sealed for another recipient, study, round or attempt."""


class SignatureInvalid(ProtocolError):
    """A signature is missing or does not verify under the enrolled key."""


class CertificateRefused(ProtocolError):
    """A participant has no certificate, or an expired, a revoked or another consortium's; the message names it."""


class StaleError(ProtocolError):
    """A message belongs to another study, round, attempt or base model (a replay, or a hospital that fell behind)."""


class ShapeError(ProtocolError):
    """An update has another number of parameters than the round's model."""


class ShareMismatch(ProtocolError):
    """A share does not match its commitment, or two holders of one component hold different ones."""


class TamperingDetected(ProtocolError):
    """A validator's message contradicts what another validator holds; nothing is opened."""


class OpeningRefused(ProtocolError):
    """Opening this aggregate would break the rules: too few members, not bound on the ledger, or opened before."""


class ModelRefused(ProtocolError):
    """The ledger does not let this model be trained on or predicted with: not attested, withdrawn or found against."""


class RoundVoid(ProtocolError):
    """The round cannot be finished and is closed without a model."""


class LedgerError(MithridateError):
    """The ledger refused or failed; the message carries the contract's reason where it gave one."""


class RuleViolation(LedgerError):
    """A call that breaks one of the contract's rules; `reason` is the contract's own word for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class JournalAltered(LedgerError):
    """The ledger's journal does not replay to what it recorded: the message names the first row that differs."""


class SealRefused(LedgerError):
    """A block is not sealed as its chain's consensus asks: by a stranger, out of turn, or by too few."""


class ModelAltered(LedgerError):
    """A model file is missing or its bytes do not have the hash that the ledger names."""


class StoreError(LedgerError):
    """The model store cannot be reached, read or written; nothing says that what it holds was altered."""
