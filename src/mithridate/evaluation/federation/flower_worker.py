"""One measurement inside Flower's own interpreter: `python -m mithridate.evaluation.federation.flower_worker JOB`.

The job and the answer are JSON; the answer is the last line of the output.
"""

import json
import sys
from typing import Any

from mithridate.evaluation.federation import flower_fedavg, flower_secagg
from mithridate.evaluation.federation.work import FEDAVG, Work
from mithridate.evaluation.federation.workload import Workload

WARM = {"hospitals": 5, "parameters": 10_000, "dropped": False, "shares": 3, "threshold": 2}


def main(job: dict[str, Any]) -> dict[str, Any]:
    """Measures one arm at one size, after a small round that loads everything; the answer is a `Work` in JSON."""
    _measure({**job, **WARM})
    return _measure(job).to_dict()


def _measure(job: dict[str, Any]) -> Work:
    workload = Workload(job["hospitals"], job["parameters"], job["dropped"])
    if job["arm"] == FEDAVG:
        return flower_fedavg.measure(workload)
    return flower_secagg.measure(workload, job["shares"], job["threshold"])


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(main(json.loads(sys.argv[1]))) + "\n")
