"""The study file's parts about where the ledger and the models lie."""

from typing import Annotated

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


class LedgerSettings(Section):
    """Which network holds the study's contracts; left out, a journal in the run's folder."""

    endpoints: Annotated[tuple[str, ...], Field(strict=False, max_length=16)] = ()
    """URLs of JSON-RPC nodes, the party's own first; the others take over while it is down or behind."""
    finality: int = Field(default=0, ge=0, le=1024)
    """Blocks on top of a block from which on it is final: 0 under IBFT or QBFT, half of the sealers under Clique."""
    agreement: int = Field(default=1, ge=1, le=16)
    """How many nodes must answer alike for an answer to be believed; 1 trusts the party's own node."""

    @model_validator(mode="after")
    def _reachable(self) -> "LedgerSettings":
        if self.endpoints and self.agreement > len(set(self.endpoints)):
            text = f"{self.agreement} nodes cannot agree where {len(set(self.endpoints))} are listed: list more"
            refuse("ledger", [Problem(("agreement",), str(self.agreement), text)])
        for url in self.endpoints:
            if not url.startswith(("http://", "https://")) or "@" in url:
                text = "should be URLs that begin with http:// or https://, without a password"
                refuse("ledger", [Problem(("endpoints",), "...", text)])
        return self
