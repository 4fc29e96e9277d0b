"""The study file's part about where models lie."""

from pydantic import Field, model_validator

from mithridate.errors import InputError
from mithridate.ledger.store_url import check_url
from mithridate.section import Problem, Section, refuse


class StoreSettings(Section):
    """Where global models lie."""

    url: str = Field(default="", max_length=1024)
    """Of the model store, in which each run has a folder of its own; left out, the run folder's `models`."""

    @model_validator(mode="after")
    def _usable(self) -> "StoreSettings":
        try:
            if self.url:
                check_url(self.url)
        except InputError as error:
            # What was written is not repeated: it may hold a password.
            refuse("store", [Problem(("url",), "...", f"should be a place for models: {error}")])
        return self
