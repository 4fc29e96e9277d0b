"""The study file's [aggregation] section."""

from pydantic import Field, model_validator

from mithridate.aggregation import aggregators, most_malicious, robust_rules
from mithridate.aggregation.rule import Rule
from mithridate.errors import InputError
from mithridate.section import Problem, Section, one_of, refuse

WEIGHTED_MEAN, REPUTATION = "weighted_mean", "reputation"
FEDAVG = "fedavg"
"""The robust rules' baseline, which in a study is `WEIGHTED_MEAN`."""


def names() -> list[str]:
    """What `aggregation.name` may be: the linear aggregators, then the robust rules."""
    return [*reversed(list(aggregators)), *(name for name in robust_rules if name != FEDAVG)]


class AggregationSettings(Section):
    """How accepted updates become one."""

    name: str = WEIGHTED_MEAN
    """The aggregator: weighted_mean, reputation, or a robust rule."""
    malicious: int | None = Field(default=None, ge=0, le=1000)
    """f of a robust rule; left out, the most it allows for the updates of a round, up to 40 %, and at least 1."""
    min_accepted: int = Field(default=3, ge=2, le=1000)
    """Fewest accepted hospitals for which the aggregate is opened; a sum of fewer would show single updates."""
    quorum: float = Field(default=0.5, gt=0, le=1)
    """Share of the hospitals that must submit, or the round is void."""

    @model_validator(mode="after")
    def _known(self) -> "AggregationSettings":
        if self.name not in names():
            refuse("aggregation", [Problem(("name",), self.name, one_of(names()))])
        if self.malicious is not None and not self.robust:
            should = f"should be left out: {self.name} does not depend on it"
            refuse("aggregation", [Problem(("malicious",), self.malicious, should)])
        return self

    @property
    def robust(self) -> bool:
        """Whether the accepted updates are combined by a robust rule; the linear aggregators weigh and add them."""
        return self.name not in aggregators

    @property
    def linear(self) -> str:
        """The linear aggregator by which updates, or a rule's step and the curator's update, are added up."""
        return WEIGHTED_MEAN if self.robust else self.name

    @property
    def any_rule(self) -> Rule:
        """The robust rule, for what does not depend on n and f.

        Raises:
            InputError: it is none.
        """
        return self._made(self.malicious or 0)

    def rule(self, updates: int) -> Rule:
        """The robust rule for a round of n = `updates`.

        Raises:
            InputError: its condition on n and f does not hold, or it is none.
        """
        if self.malicious is not None:
            rule = self._made(self.malicious)
            rule.check(updates)
            return rule
        most = most_malicious(self.name, updates)
        if not most:
            # With f = 0 most rules are nothing but a mean: that is for the user to say.
            raise InputError(
                f"{self.name} withstands no malicious hospital among n = {updates}, at f up to 40 % and "
                f"{self.any_rule.condition}: have more hospitals, choose another rule, or set malicious = 0"
            )
        return self._made(most)

    def _made(self, malicious: int) -> Rule:
        rule = robust_rules.get(self.name)(malicious=malicious)
        if not isinstance(rule, Rule):
            raise InputError(f"{self.name} is no robust rule")
        return rule
