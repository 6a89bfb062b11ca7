"""Models, rows and order histories to compare SQL with Python on, and what Python says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import expm1, nan
from typing import Any

import numpy as np
from hypothesis import strategies as st

from chalicelib.core.facts import Facts
from chalicelib.core.features import FEATURE_NAMES, Features, describe
from chalicelib.core.fold import recount
from chalicelib.core.instants import DAY_SECONDS, Instant
from chalicelib.core.orders import Amount, OrderState
from chalicelib.core.subject import customer
from chalicelib.scoring.document import FeatureSpec, Linear, ModelDocument, PortableParameters
from ops.training.history import History, Order, history_of
from tests.trained import document

Row = tuple[float | None, ...]
WIDTH = len(FEATURE_NAMES)
AS_OF = 400 * DAY_SECONDS
SQL_BOUND = 1e-9


def of_parameters(change: Mapping[str, Any], *, segments: int | None = None) -> ModelDocument:
    """The trained document with other parameters, and as many segments as those ask for."""
    trained = document()
    parameters = trained.parameters.model_copy(update=dict(change))
    names = trained.segments if segments is None else _renamed(segments)
    return trained.model_copy(update={"parameters": parameters, "segments": names})


def _renamed(count: int) -> tuple[Any, ...]:
    first = document().segments[0]
    return tuple(first.model_copy(update={"name": f"segment_{nth}"}) for nth in range(count))


def _thousandths(low: int, high: int) -> st.SearchStrategy[float]:
    # Round numbers meet in the middle often, and none is a tie distance away from another.
    return st.integers(low * 1000, high * 1000).map(lambda number: number / 1000)


def _tuples(values: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(*[values] * WIDTH)


_LINEAR = st.builds(
    Linear, intercept=_thousandths(-5, 5), coefficients=_tuples(_thousandths(-2, 2))
)


@st.composite
def _specs(draw: st.DrawFn) -> tuple[FeatureSpec, ...]:
    specs = []
    for spec in document().features:
        edges = st.floats(-0.999, 1e12) | st.sampled_from([0.0, 1.0, 5e-324])
        lower, impute, upper = sorted(draw(st.tuples(edges, edges, edges)))
        specs.append(spec.model_copy(update={"lower": lower, "impute": impute, "upper": upper}))
    return tuple(specs)


@st.composite
def documents(draw: st.DrawFn) -> ModelDocument:
    """Any portable model of one to six segments, identical and evenly spaced centroids included."""
    centroids = draw(st.lists(_tuples(_thousandths(-3, 3)), min_size=1, max_size=6))
    parameters = PortableParameters(
        kind="portable",
        mean=draw(_tuples(_thousandths(-1, 9))),
        scale=draw(_tuples(_thousandths(1, 4))),
        centroids=tuple(centroids),
        segment_cap=draw(_thousandths(1, 5)),
        tie_distance=1e-9,
        churn=draw(_LINEAR),
        expected_orders=draw(_LINEAR),
    )
    model = of_parameters(parameters.__dict__, segments=len(centroids))
    return model.model_copy(update={"features": draw(_specs())})


def made_document(segments: int, *, seed: int) -> ModelDocument:
    """A portable model of so many segments, made by chance; two of its centroids are one."""
    generator = np.random.default_rng(seed)

    def row(low: float, high: float) -> tuple[float, ...]:
        return tuple(generator.uniform(low, high, WIDTH).round(3).tolist())

    def linear() -> Linear:
        return Linear(intercept=float(generator.uniform(-3, 3)), coefficients=row(-1, 1))

    centroids = [row(-2, 2) for _ in range(segments)]
    centroids[-1] = centroids[0]
    parameters = PortableParameters(
        kind="portable",
        mean=row(1, 8),
        scale=row(0.3, 3),
        centroids=tuple(centroids),
        segment_cap=2.5,
        tie_distance=1e-9,
        churn=linear(),
        expected_orders=linear(),
    )
    specs = []
    for spec, mean, scale in zip(
        document().features, parameters.mean, parameters.scale, strict=True
    ):
        lower, impute, upper = (expm1(mean + cap * scale) for cap in (-2.4, 0.3, 2.8))
        specs.append(spec.model_copy(update={"lower": lower, "impute": impute, "upper": upper}))
    model = of_parameters(parameters.__dict__, segments=segments)
    return model.model_copy(update={"features": tuple(specs)})


def made_history(customers: int, *, seed: int) -> History:
    """Orders by chance: some customers have one, some forty, some only later, some in euros."""
    generator = np.random.default_rng(seed)
    orders: list[Order] = []
    for nth in range(customers):
        for _ in range(int(generator.integers(1, 41))):
            orders.append(
                Order(
                    at=Instant(int(generator.integers(0, 3 * AS_OF) if nth % 7 else 2 * AS_OF)),
                    order_id=f"o-{len(orders)}",
                    customer_id=f"c-{nth}",
                    amount_minor=int(generator.choice([0, 999, 12_345, 10**12])),
                    currency="USD" if generator.random() < 0.8 else "EUR",
                )
            )
    return history_of(orders, source="made by chance")


ROWS = st.lists(
    st.tuples(*[st.none() | st.just(nan) | st.floats() | st.floats(0, 1e4)] * WIDTH),
    min_size=1,
    max_size=8,
)


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as ``features_select`` reads it."""

    customer_id: str
    at: int
    amount_minor: int
    currency: str


ORDERS = st.lists(
    st.builds(
        OrderRow,
        customer_id=st.sampled_from(["c-1", "c-2", "c-3"]),
        at=st.integers(0, 2 * AS_OF) | st.sampled_from([AS_OF - 1, AS_OF, AS_OF + 1]),
        amount_minor=st.integers(0, 2**63 - 1) | st.integers(0, 10_000),
        currency=st.sampled_from(["USD", "USD", "EUR"]),
    ),
    max_size=40,
)


def described(orders: Sequence[OrderRow], *, as_of: int, currency: str) -> dict[str, Features]:
    """What Python makes of the orders, by customer; those still to come were never folded."""
    facts = {order.customer_id: Facts(customer(order.customer_id)) for order in orders}
    for nth, order in enumerate(sorted(orders, key=lambda one: one.at)):
        if order.at <= as_of:
            known = facts[order.customer_id]
            amount = Amount(Instant(order.at), order.amount_minor, order.currency)
            state = OrderState(f"o-{nth}", known.subject.key, completed=amount)
            facts[order.customer_id] = recount(known, before=None, after=state)
    return {name: describe(of, as_of=as_of, currency=currency) for name, of in facts.items()}


@dataclass
class Table:
    """Rows as a relation of DuckDB: VALUES, with the types that warehouses give them."""

    columns: Mapping[str, str]
    rows: Sequence[Sequence[Any]]
    parameters: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.parameters = [value for row in self.rows for value in row]

    @property
    def relation(self) -> str:
        """A select in parentheses; its parameters are ``parameters``."""
        row = f"({', '.join('?' for _ in self.columns)})"
        named = ", ".join(
            f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in self.columns.items()
        )
        values = ", ".join([row] * len(self.rows))
        return f"(SELECT {named} FROM (VALUES {values}) AS given({', '.join(self._names)}))"  # noqa: S608

    @property
    def _names(self) -> list[str]:
        return [f'"{name}"' for name in self.columns]


def feature_table(rows: Sequence[Row], kind: str = "DOUBLE") -> Table:
    """Rows of features with their number as ``id``."""
    columns = {"id": "BIGINT", **dict.fromkeys(FEATURE_NAMES, kind)}
    return Table(columns, [(nth, *row) for nth, row in enumerate(rows)])


def order_table(orders: Sequence[OrderRow]) -> Table:
    """One row an order."""
    columns = {
        "customer_id": "VARCHAR",
        "at": "BIGINT",
        "amount_minor": "BIGINT",
        "currency": "VARCHAR",
    }
    return Table(columns, [(o.customer_id, o.at, o.amount_minor, o.currency) for o in orders])
