"""What goes to stdout: the answer. Progress, logs and messages go to stderr."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping

import typer


@contextlib.contextmanager
def stdout_held() -> Iterator[None]:
    """Send to stderr whatever is written to stdout inside, by libraries below Python as well.

    `--json` promises one object on stdout, and native libraries write their notices where they like.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def print_json(answer: Mapping[str, object]) -> None:
    """Print one JSON object; a number that is not finite is a programming error (ValueError)."""
    typer.echo(json.dumps(answer, indent=2, allow_nan=False))
