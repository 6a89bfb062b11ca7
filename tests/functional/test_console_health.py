"""What the model's page says of customers of late, of scores that came true, and of sources."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.calibration import Followed, calibrated_of
from chalicelib.core.kinds import CALIBRATED, WATCHED
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.watched import Watched
from chalicelib.scoring.baselines import read_baselines
from ops.places import ROOT
from tests.browser import Browser
from tests.functional.test_console_experiments import charts_of, keep, name_of, shop
from tests.storefront import Storefront
from tests.unit.core.situations import NOW

__all__ = ["shop"]  # the fixture

BASELINES = read_baselines(ROOT / "model_artifacts" / "cdnow-1.0.0")


def healthy_day(**changes: Any) -> Watched:
    """A day whose customers are those of the training."""
    segments = {name: round(1_000 * share) for name, share in BASELINES.segments.items()}
    churn = [round(1_000 * share) for share in BASELINES.churn]
    figures = {
        name: [0, *[100] * len(set(each.deciles or ())), 100]
        for name, each in BASELINES.features.items()
    }
    return replace(
        Watched(
            decisions=1_000,
            customers=1_000,
            unknown=100,
            unknown_customers=100,
            fallback=20,
            newest_at=NOW - 7_200,
            model=BASELINES.model,
            figures={**figures, "churn": churn},
            segments=segments,
            newest_files={"orders": NOW - 50 * 3600},
        ),
        **changes,
    )


def test_the_models_page_says_before_the_first_night_what_comes(shop: Storefront) -> None:
    """Three empty states, none of which is a table of zeros."""
    page = Browser(shop).sign_in().page("/console/model")

    assert "No night has worked through a day yet" in page.text
    assert "No score is 91 days old yet" in page.text
    assert "Nothing is known of events or files yet" in page.text


def test_drift_of_the_latest_day_stands_on_the_models_page(shop: Storefront) -> None:
    """Each figure beside training and beside the weeks before; what rings is marked."""
    moved = healthy_day(segments={"champions": 900, "lost": 100}, unknown_customers=500)
    keep(
        shop,
        Put(WATCHED.key(name_of(1)), moved, WHATEVER),
        *(Put(WATCHED.key(name_of(n)), healthy_day(), WHATEVER) for n in range(2, 20)),
    )

    page = Browser(shop).sign_in().page("/console/model")

    assert shop.calls() == ["read"]
    assert "10.0 % of the decisions nothing was known" in page.text
    assert page.text.count("rings") >= 2
    assert "unknown – " in page.text
    segments, churn = charts_of(page)[:2]
    told_shares = {(row["x"], row["series"]): row["y"] for row in segments["data"]["values"]}
    assert told_shares["champions", "latest day"] == pytest.approx(0.9)
    assert told_shares["champions", "at training"] == pytest.approx(0.117098)
    assert len(churn["data"]["values"]) == 20
    assert "orders 50 –" in page.text


def test_what_came_true_stands_beside_what_was_said(shop: Storefront) -> None:
    """A reliability curve, the error of the chances, and both ratios."""
    rows = [Followed(0.85, 0.2, int(n % 5 == 0)) for n in range(900)]
    day = calibrated_of(rows, model=BASELINES.model, horizon_days=91, left_out=3)
    keep(shop, *(Put(CALIBRATED.key(name_of(91 + n)), day, WHATEVER) for n in range(1, 30)))

    page = Browser(shop).sign_in().page("/console/model")

    assert "6,300 customers who were scored 91 days ago" in page.text
    assert "it was 0.0877 when the model was tested" in page.text
    assert "21 were left out" in page.text
    assert "calibration of churn 1.333 of" in page.text
    [curve] = charts_of(page)[-1:]
    happened = [row for row in curve["data"]["values"] if row["series"] == "happened"]
    assert happened == [
        {**happened[0], "x": pytest.approx(0.85), "y": pytest.approx(0.8)},
    ]
