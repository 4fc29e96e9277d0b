"""FoolsGold: hospitals whose summed updates point the same way lose their say.

Source: C. Fung, C. Yoon, I. Beschastnikh, "The limitations of federated learning in Sybil settings", RAID 2020,
algorithm 1, kappa = 1; the clamps, and the division by n rather than by the sum of the learning rates, are those of
the authors' program. All coordinates count alike as features, since a rule knows no layers.
"""

from dataclasses import dataclass

import numpy as np

from mithridate.aggregation.geometry import cosines
from mithridate.aggregation.robust import Aggregate, Gathered, Matrix, Vector, robust_rules
from mithridate.aggregation.rule import ANY, Remembers, Rule
from mithridate.errors import InputError

CONFIDENCE = 1.0
"""kappa, the paper's factor on the logit."""
CEILING = 0.99
"""The authors' stand-in for a rate of 1, whose logit is infinite."""


def pardoned(similar: Matrix) -> Matrix:
    """cs_ij v_i / v_j where v_j > v_i, v_i = max over j != i of cs_ij: the honest are not punished for a Sybil's two.

    Args:
        similar: cosines (n, n); the diagonal does not count.
    """
    others = similar - np.eye(len(similar))
    most = others.max(axis=1)
    more = most[np.newaxis] > most[:, np.newaxis]
    # v_j > v_i >= 0 off the diagonal's zero, so that only positive numbers divide.
    ratio = np.divide(most[:, np.newaxis], most[np.newaxis], out=np.ones_like(others), where=more)
    result: Matrix = others * ratio
    return result


def learning_rates(similar: Matrix) -> Vector:
    """alpha (n,) in [0, 1] from the cosines (n, n) of the summed updates; all 0 where all point the same way."""
    rates: Vector = np.clip(1.0 - pardoned(similar).max(axis=1), 0.0, 1.0)
    if rates.max() <= 0:
        return rates
    rates = np.minimum(rates / rates.max(), CEILING)
    logit = np.log(np.divide(rates, 1.0 - rates), out=np.full_like(rates, -np.inf), where=rates > 0)
    scaled: Vector = CONFIDENCE * (logit + 0.5)
    return scaled.clip(0.0, 1.0)


@robust_rules.register("foolsgold")
@dataclass(frozen=True)
class FoolsGold(Rule):
    """1/n sum_i alpha_i g_i, alpha_i by how little hospital i's summed updates resemble any other's.

    Withstands any number of colluders that send alike, and no single attacker; honest hospitals with data alike lose
    their say as well. The number of malicious and the records are ignored.
    """

    name = "foolsgold"
    source = "Fung et al., RAID 2020, algorithm 1"
    condition = ANY
    remembers = Remembers.HOSPITALS
    malicious: int

    def combine(self, gathered: Gathered, memory: Matrix | None) -> tuple[Aggregate, Matrix]:
        """That mean, with alpha_i > 0 as kept; the memory is the summed updates, float64 (n, d), row by hospital.

        Raises:
            InputError: the memory is of other hospitals, or of updates of another length.
        """
        updates = gathered.updates
        summed = updates if memory is None else memory
        if summed.shape != updates.shape:
            raise InputError(
                f"foolsgold: the summed updates have the shape {summed.shape} and this round's {updates.shape}: "
                "the same hospitals should take part in every round, in the same order"
            )
        summed = updates.copy() if memory is None else memory + updates
        rates = learning_rates(cosines(summed)) if len(updates) > 1 else np.ones(1)
        return Aggregate(rates / len(updates) @ updates, rates > 0), summed
