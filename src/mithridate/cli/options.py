"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout and nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.", show_default=False)]
Source = Annotated[
    str,
    typer.Argument(metavar="RUN", help="The folder of a run, or the URL of a network's node.", show_default=False),
]
Contract = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="The study's contract, where the chain holds several. [default: the first]"),
]
Finality = Annotated[
    int, typer.Option(metavar="N", min=0, max=10_000, help="Of a network: blocks on top of one that make it final.")
]


Rpc = Annotated[
    list[str] | None,
    typer.Option("--rpc", metavar="URL", help="Of a network: another organisation's node to compare with; repeatable."),
]
Agreement = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=16,
        help="Of a network: how many nodes must tell the same. [default: the study's, or all that are named]",
    ),
]


def is_endpoint(target: str) -> bool:
    """Whether what the user gave is the URL of a node."""
    return target.startswith(("http://", "https://"))
