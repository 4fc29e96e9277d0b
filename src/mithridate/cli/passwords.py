"""Where a command gets the password of the keys it opens: a file, the environment, or whoever sits at the terminal."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

PasswordFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File whose first line is the keys' password. [default: the variable MITHRIDATE_PASSWORD, else asked for]",
        show_default=False,
    ),
]


def password(file: Path | None, *, new: bool = False) -> str:
    """The password; `new` asks twice.

    Raises:
        InputError: there is none, or the file is open to other users.
    """
    from mithridate.ledger.keystore import PASSWORD_VARIABLE, read_password

    if file is None and not os.environ.get(PASSWORD_VARIABLE) and sys.stdin.isatty():
        return str(typer.prompt("Password of the keys", hide_input=True, confirmation_prompt=new, err=True))
    return read_password(file)
