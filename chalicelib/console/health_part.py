"""Whether customers are still those of the training, and whether what the model said came true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib.console.charts import Chart, bars, lines
from chalicelib.core.baselines import CHURN_BINS, Baselines
from chalicelib.core.calibration import Calibrated
from chalicelib.core.drift import Drift, Moved
from chalicelib.core.report import CALIBRATION, UNKNOWN, Health
from chalicelib.core.watched import CHURN, Watched

_TRAINED, _NOW = "at training", "latest day"


class MovedRow(NamedTuple):
    """One figure: how far it is from training and from the weeks before, and what that says."""

    name: str
    trained: str
    past: str
    rings: bool


def health_values(
    health: Health, baselines: Baselines, *, held_out_brier: float | None
) -> Mapping[str, Any]:
    """What the page of the model shows of customers, calibration and sources."""
    unknown = health.unknown
    rows = [_row(name, each) for name, each in health.moved.items()]
    if unknown is not None:
        rows.append(MovedRow(UNKNOWN, "–", _told(unknown), bool(unknown.drifted)))
    settled = health.settled
    return {
        "health": health,
        "moved": rows,
        "is_of_this_model": health.latest is not None and health.latest.model == baselines.model,
        "shares": [] if health.latest is None else [*_shares(health.latest, baselines)],
        "calibration": [_row(CALIBRATION[name], each) for name, each in health.calibration.items()],
        "settled": settled,
        "reliability": _reliability(settled),
        "held_out_brier": held_out_brier,
        "ages": health.ages,
        "horizon_days": baselines.horizon_days,
    }


def _row(name: str, each: Moved) -> MovedRow:
    return MovedRow(
        name.replace("_minor", "").replace("_days", "").replace("_", " "),
        _told(each.trained),
        "too early" if each.past is None else _told(each.past),
        each.rings,
    )


def _told(drift: Drift) -> str:
    if drift.drifted is None:
        return f"{drift.value:.3f}, too few to say"
    said = "moved" if drift.drifted else "by chance"
    return f"{drift.value:.3f} of {drift.bound:.3f}, {said}"


def _shares(latest: Watched, baselines: Baselines) -> Iterator[Chart]:
    """Segments and churn scores of the latest day beside those of the training."""
    customers = sum(latest.segments.values())
    if not customers or latest.model != baselines.model:
        return
    segments = [
        (name.replace("_", " "), share, latest.segments.get(name, 0) / customers)
        for name, share in baselines.segments.items()
    ]
    yield _beside("Segments", "Shares of customers by segment.", "segment", segments)
    scored = max(1, sum(latest.figures[CHURN]))
    churn = [
        (_tenth(place), share, latest.figures[CHURN][place] / scored)
        for place, share in enumerate(baselines.churn)
    ]
    yield _beside(
        "Churn scores", "Shares of customers by their chance of no order.", "chance", churn
    )


def _beside(
    title: str, described: str, of: str, shares: Sequence[tuple[str, float, float]]
) -> Chart:
    rows = [
        {of: name, "share": share, "when": when}
        for name, trained, now in shares
        for when, share in ((_TRAINED, trained), (_NOW, now))
    ]
    return bars(
        title, described, rows, category=of, value="share", series="when", value_format=".1%"
    )


def _reliability(settled: Calibrated) -> Chart | None:
    """Tenths of the score: the chance that the model named, and how many stayed away."""
    rows: list[dict[str, Any]] = []
    for each in settled.bins:
        if each.customers:
            said = each.churn / each.customers
            rows.append(
                {"said": said, "stayed away": each.stayed_away / each.customers, "line": "happened"}
            )
    if not rows:
        return None
    rows += [{"said": end, "stayed away": end, "line": "as said"} for end in (0.0, 1.0)]
    return lines(
        "Reliability",
        "Customers by their chance of no order, beside the share of them who placed none.",
        rows,
        x="said",
        y="stayed away",
        series="line",
        x_type="quantitative",
        y_format=".0%",
    )


def _tenth(place: int) -> str:
    width = 100 // CHURN_BINS
    return f"{place * width}–{(place + 1) * width} %"
