"""What a scorer says of one customer, and what every scorer must offer."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from chalicelib.core.features import Features


class Scores(NamedTuple):
    """A segment and propensities.

    Attributes:
        segment: machine name of the segment, such as ``at_risk``.
        churn: probability of no order within the model's horizon; None when rules served.
        expected_orders: expected number of orders within the horizon; None when rules served.
        model: ``NAME-VERSION`` of the model, or ``scorecard``.
        fallback: True when the model did not serve: rules did, or nothing was known.
    """

    segment: str
    churn: float | None
    expected_orders: float | None
    model: str
    fallback: bool = False


class Scorer(Protocol):
    """Scores one customer: the portable document, a joblib pipeline or the rule scorecard."""

    @property
    def name(self) -> str:
        """``NAME-VERSION``, as answers and records print it."""
        ...

    @property
    def hash(self) -> str:
        """``sha256:…`` of the document that decides."""
        ...

    @property
    def currency(self) -> str:
        """The currency whose minor units the monetary feature speaks of."""
        ...

    @property
    def segments(self) -> tuple[str, ...]:
        """The names that ``score`` may return."""
        ...

    def score(self, features: Features) -> Scores:
        """Score one customer."""
        ...
