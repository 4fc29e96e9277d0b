import json
from pathlib import Path

from mithridate.emulation.conditions import Conditions
from mithridate.evaluation.emulated.compared import Compared, figures
from mithridate.evaluation.emulated.measuring import Probed
from mithridate.evaluation.emulated.plot import draw
from mithridate.evaluation.emulated.prediction import Predicted

STEPS = {"open": Predicted(1.0, 0.5, 0.25, 0.25), "verify": Predicted(2.0, 0.0, 3.0, 1.0)}
FIRST = Compared(Conditions(), Probed(0.2, 900.0, 0.0), [5.0, 7.0, 6.0], {"open": Predicted(3.0, 1.0, 0.0, 0.0)})
SECOND = Compared(Conditions(40.0, 100.0, 0.1), Probed(81.0, 99.0, 0.11), [12.0], STEPS)


def test_a_round_stands_beside_its_prediction() -> None:
    table = {figure["name"]: figure for figure in figures([FIRST, SECOND])}
    name = "40 ms, 100 Mbit/s, 0.1 % loss"
    assert table["no delay: a round, beside the prediction"]["value"] == 6.0
    assert table["no delay: a round, beside the prediction"]["ratio"] == 1.5
    assert table[f"{name}: a round, beside the prediction"]["ratio"] == 12.0 / 8.0
    assert table[f"{name}: added to it by the network"]["ratio"] == 6.0 / 4.0
    assert "no delay: added to it by the network" not in table
    assert table[f"{name}: round trip, beside twice the latency"]["baseline"] == 80.0
    assert table["no delay: a TCP stream, beside the bandwidth"]["ratio"] is None


def test_it_is_json_and_has_a_figure(tmp_path: Path) -> None:
    assert json.loads(json.dumps(SECOND.to_dict()))["predicted"] == 8.0
    draw(tmp_path / "network.svg", [FIRST, SECOND])
    assert (tmp_path / "network.svg").read_bytes().startswith(b"<?xml")
