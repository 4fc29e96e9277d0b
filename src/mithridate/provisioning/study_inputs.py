"""What a study's model takes and gives, and how large the reference set is: public, and the same in every kit."""

import json
from dataclasses import dataclass
from pathlib import Path

from mithridate.errors import EnrolmentError, InputError
from mithridate.evaluation.prediction import ModelInputs
from mithridate.provisioning.private_files import read_bounded

INPUTS_FILE = "inputs.json"
MAX_BYTES = 1 << 24
_RECORDS = "reference_records"


@dataclass(frozen=True)
class StudyInputs:
    """A study's inputs as the curator publishes them.

    Args:
        model: what the model takes and gives, with the reference set's statistics.
        reference_records: m, records of the reference set.
    """

    model: ModelInputs
    reference_records: int

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps({**json.loads(self.model.to_json()), _RECORDS: self.reference_records}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "StudyInputs":
        """The inverse of `to_json`.

        Raises:
            EnrolmentError: the text is something else.
        """
        try:
            document = json.loads(text)
            records = document.pop(_RECORDS)
            if type(records) is not int or records < 1:
                raise ValueError(f"{_RECORDS} should be a number from 1 on")
            return cls(ModelInputs.from_json(json.dumps(document)), records)
        except (ValueError, TypeError, KeyError, AttributeError, InputError) as error:
            raise EnrolmentError(f"{INPUTS_FILE} does not describe a study's inputs: {error}") from error


def read_inputs(run: Path) -> StudyInputs:
    """The inputs that lie beside a deployed study; see `read_inputs_file`."""
    return read_inputs_file(run / INPUTS_FILE)


def read_inputs_file(file: Path) -> StudyInputs:
    """The inputs in a file.

    Raises:
        EnrolmentError: there are none, or they are damaged.
    """
    return StudyInputs.from_json(read_bounded(file, MAX_BYTES, "a study's inputs").decode("utf-8", "replace"))
