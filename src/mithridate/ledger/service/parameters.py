"""The methods' parameters as they come from anybody: bounded, of the right form, or refused."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from mithridate.ledger.chain import NO_ADDRESS
from mithridate.ledger.embedded_network import CALL_GAS
from mithridate.ledger.service.asked import Asked

MAX_TRANSACTION_BYTES = 131_072
"""As geth takes from its peers; a contract's creation is at most half of it."""
MAX_TEXT = 200

Address = Annotated[str, StringConstraints(strict=True, pattern=r"^0x[0-9a-fA-F]{40}$")]
Hash = Annotated[str, StringConstraints(strict=True, pattern=r"^0x[0-9a-fA-F]{64}$")]
Quantity = Annotated[str, StringConstraints(strict=True, pattern=r"^0x[0-9a-fA-F]{1,16}$")]
Binary = Annotated[
    str,
    StringConstraints(strict=True, pattern=r"^0x([0-9a-fA-F]{2})*$", max_length=2 + 2 * MAX_TRANSACTION_BYTES),
]
Tag = Literal["latest", "pending", "safe", "finalized", "earliest"]
"""The first four mean the last block: it is final at once."""


class BlockByHash(BaseModel):
    """A block by its hash (EIP-1898)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    hash: Hash = Field(alias="blockHash")


Which = Tag | Quantity | BlockByHash
"""Of which block."""


class Transaction(BaseModel):
    """What a call or an estimate is about; fees are ignored, for there are none."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    sender: Address | None = Field(default=None, alias="from")
    to: Address | None = None
    data: Binary | None = None
    input: Binary | None = None
    gas: Quantity | None = None
    value: Quantity | None = None

    @model_validator(mode="after")
    def _sensible(self) -> "Transaction":
        if self.data is not None and self.input is not None and self.data.lower() != self.input.lower():
            raise ValueError("data and input differ: give one of them")
        if self.value is not None and int(self.value, 16):
            raise ValueError("nobody has funds on this chain: the value is 0")
        return self

    def asked(self) -> Asked:
        """The same in bytes."""
        gas = CALL_GAS if self.gas is None else min(CALL_GAS, int(self.gas, 16))
        sender = unhex(self.sender) if self.sender else NO_ADDRESS
        return Asked(sender, unhex(self.to or "0x"), unhex(self.data or self.input or "0x"), gas)


class ParametersInvalid(Exception):
    """They do not have the method's form; the text says where."""


class Form:
    """The form of one method's parameters.

    Args:
        kinds: type of each.
        defaults: of the last ones, where they may be left out.
    """

    def __init__(self, *kinds: Any, defaults: tuple[Any, ...] = ()) -> None:
        self._count, self._defaults = len(kinds), defaults
        self._adapter: TypeAdapter[tuple[Any, ...]] = TypeAdapter(tuple[kinds] if kinds else tuple[()])  # type: ignore[valid-type]

    def read(self, given: object) -> tuple[Any, ...]:
        """The parameters, checked; raises ParametersInvalid."""
        listed = [] if given is None else given
        if not isinstance(listed, list) or len(listed) > self._count:
            raise ParametersInvalid(f"params should be a list of at most {self._count}")
        missing = self._count - len(listed)
        if missing > len(self._defaults):
            raise ParametersInvalid(f"params should be a list of at least {self._count - len(self._defaults)}")
        filled = [*listed, *(self._defaults[len(self._defaults) - missing :] if missing else ())]
        try:
            return self._adapter.validate_python(filled)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"][:2])
            raise ParametersInvalid(f"params {place}: {first['msg']}"[:MAX_TEXT]) from error


def unhex(text: str) -> bytes:
    """The bytes of checked hexadecimal text."""
    return bytes.fromhex(text[2:])
