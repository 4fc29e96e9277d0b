"""FLTrust: updates count by their cosine with one trained on a trusted root set, and have its length.

Source: X. Cao et al., "FLTrust: Byzantine-robust federated learning via trust bootstrapping", NDSS 2021,
trust scores, normalisation and aggregation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.aggregation.geometry import lengths
from mithridate.aggregation.robust import Aggregate, Gathered, robust_rules
from mithridate.aggregation.rule import ANY, Rule
from mithridate.errors import InputError


@robust_rules.register("fltrust")
@dataclass(frozen=True)
class FLTrust(Rule):
    """sum_i T_i ||g_0|| g_i / ||g_i|| / sum_i T_i with T_i = max(0, cos(g_i, g_0)), g_0 the root's update.

    Withstands any number of malicious as far as the root set speaks for the honest hospitals' data.
    """

    name = "fltrust"
    source = "Cao et al., NDSS 2021"
    condition = ANY
    rooted = True
    malicious: int

    def combine(self, gathered: Gathered, memory: Any) -> tuple[Aggregate, Any]:
        """That sum, and 0 where nobody is trusted; kept are those with T_i > 0; no memory.

        Raises:
            InputError: there is no root update.
        """
        if gathered.root is None:
            raise InputError("fltrust needs a root update, trained on the reference set, and there is none")
        norms, root_norm = lengths(gathered.updates), float(np.linalg.norm(gathered.root))
        product = norms * root_norm
        cosine = np.divide(gathered.updates @ gathered.root, product, out=np.zeros_like(norms), where=product > 0)
        trust = np.maximum(cosine, 0.0)
        kept = trust > 0
        if not kept.any():
            return Aggregate(np.zeros_like(gathered.root), kept), None
        scale = np.divide(trust * root_norm, norms * trust.sum(), out=np.zeros_like(norms), where=kept)
        return Aggregate(scale @ gathered.updates, kept), None
