"""Measurements inside Flower's own interpreter: `python -m mithridate.evaluation.federation.flower_worker`.

A line of the input is a job in JSON, a line of the output that begins with `ANSWER` its `Work`.
"""

import json
import sys
from typing import Any

from mithridate.evaluation.federation import flower_fedavg, flower_secagg
from mithridate.evaluation.federation.flower import ANSWER
from mithridate.evaluation.federation.work import FEDAVG, Work
from mithridate.evaluation.federation.workload import Workload

WARM = {"hospitals": 5, "dropped": False, "shares": 3, "threshold": 2}


def main() -> None:
    """Answers jobs until the input ends; before each measures a small round, which loads everything."""
    for line in sys.stdin:
        job = json.loads(line)
        _measure({**job, **WARM})
        sys.stdout.write(f"\n{ANSWER}{json.dumps(_measure(job).to_dict())}\n")
        sys.stdout.flush()


def _measure(job: dict[str, Any]) -> Work:
    workload = Workload(job["hospitals"], job["parameters"], job["dropped"])
    if job["arm"] == FEDAVG:
        return flower_fedavg.measure(workload)
    return flower_secagg.measure(workload, job["shares"], job["threshold"])


if __name__ == "__main__":
    main()
