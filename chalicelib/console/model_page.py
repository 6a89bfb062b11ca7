"""The model: whom its segments hold, how good it is, and what later scores are compared with."""

from __future__ import annotations

from chalicelib.console.health_part import health_values
from chalicelib.console.medians import median_rows
from chalicelib.console.page import Page
from chalicelib.core.report import Health
from chalicelib.scoring.baselines import baselines_of
from chalicelib.scoring.document import ModelDocument


def model_page(document: ModelDocument, *, card: str, rejected: str | None, health: Health) -> Page:
    """The page of a packaged model.

    Args:
        document: describes it.
        card: its model card.
        rejected: names why it does not serve.
        health: of the customers whom it scored.
    """
    histogram = document.baselines.churn_histogram
    return Page(
        "model",
        f"Model {document.id}",
        {
            "model": document,
            "rejected": rejected,
            "rows": median_rows(document),
            "metrics": [
                (name.replace("_", " "), value) for name, value in document.metrics.items()
            ],
            "histogram": [
                (f"{place * 10}–{place * 10 + 10} %", part) for place, part in enumerate(histogram)
            ],
            "baselines": document.baselines,
            **health_values(
                health,
                baselines_of(document),
                held_out_brier=document.metrics.get("held_out_brier"),
            ),
            "card": card,
        },
    )


def no_model_page(reason: str) -> Page:
    """The packaged model cannot be read, so the rules of the policy serve."""
    return Page("no-model", "No model", {"reason": reason})
