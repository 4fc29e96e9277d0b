"""The audit's HTML report: one page that needs nothing else, neither scripts nor the network."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mithridate.evaluation.audit.procedure import HTML_REPORT, JSON_REPORT, Audit
from mithridate.evaluation.pages import render, replace_file
from mithridate.evaluation.plots import MAX_LINES, reputation_figure
from mithridate.ledger.audit.topics import MEANING


def write_reports(audit: Audit, folder: Path) -> bytes:
    """Writes `audit.json` and `audit.html` into a folder, which is made; returns the JSON report's bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    data = audit.to_json()
    replace_file(folder / JSON_REPORT, data)
    replace_file(folder / HTML_REPORT, _page(audit).encode())
    return data


def _page(audit: Audit) -> str:
    told: dict[str, Any] = audit.to_dict()
    hospitals = len(audit.chain.reputation[-1][1]) if audit.chain.reputation else 0
    figure = reputation_figure(audit.chain.reputation)
    return render(
        "audit.html",
        {"date": _date},
        audit=told,
        meaning=MEANING,
        figure=figure,
        hospitals=hospitals,
        shown=min(hospitals, MAX_LINES),
    )


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(min(seconds, 2**37), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
