"""The audit's HTML report: one page that needs nothing else, neither scripts nor the network."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mithridate.evaluation.audit.procedure import HTML_REPORT, JSON_REPORT, Audit
from mithridate.evaluation.plots import MAX_LINES, reputation_figure
from mithridate.ledger.audit.topics import MEANING


def write_reports(audit: Audit, folder: Path) -> bytes:
    """Writes `audit.json` and `audit.html` into a folder, which is made; returns the JSON report's bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    data = audit.to_json()
    _write(folder / JSON_REPORT, data)
    _write(folder / HTML_REPORT, _page(audit).encode())
    return data


def _page(audit: Audit) -> str:
    environment = Environment(
        loader=PackageLoader("mithridate.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["date"] = _date
    told: dict[str, Any] = audit.to_dict()
    hospitals = len(audit.chain.reputation[-1][1]) if audit.chain.reputation else 0
    figure = reputation_figure(audit.chain.reputation)
    return environment.get_template("audit.html").render(
        audit=told, meaning=MEANING, figure=figure, hospitals=hospitals, shown=min(hospitals, MAX_LINES)
    )


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(min(seconds, 2**37), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _write(path: Path, data: bytes) -> None:
    draft = path.with_suffix(path.suffix + ".part")
    draft.write_bytes(data)
    draft.replace(path)
