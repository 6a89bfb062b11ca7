"""``python -m ops train``: orders in, packaged model out."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Literal

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from chalicelib.core.errors import SegueError
from chalicelib.core.instants import format_instant
from chalicelib.core.money import check_currency
from chalicelib.scoring.document import MODEL_NAME, MODEL_VERSION, ModelDocument
from ops.datasets import CDNOW_CURRENCY
from ops.training.history import History, at_most, cdnow_history, history_of
from ops.training.model import BOOTSTRAPS, SEED, Recipe, TrainedModel
from ops.training.model import train as train_model
from ops.training.orders_file import first_reasons, read_orders
from ops.training.package import package
from ops.training.propensity import ChurnModel
from ops.training.segmentation import CANDIDATE_KS, Stability

_ROOT = Path(__file__).parent.parent / "model_artifacts"


@click.command()
@click.option(
    "--orders",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A CSV or JSONL file, gzip too: order_id, customer_id, ordered_at, quantity, currency, and"
    " amount or unit_price. Without it: CDNOW's sample.",
)
@click.option("--mapping", help="How a legacy export looks: a name in policies/mappings/.")
@click.option("--name", help="Name of the model; needed with --orders.  [default: cdnow]")
@click.option("--version", "release", default="1.0.0", show_default=True, help="Its version.")
@click.option("--currency", default=CDNOW_CURRENCY, show_default=True, help="ISO 4217 code.")
@click.option("--horizon-weeks", default=13, show_default=True, type=click.IntRange(1, 52))
@click.option(
    "--segments",
    type=click.IntRange(2, 10),
    help="How many, instead of letting stability and silhouette decide.",
)
@click.option(
    "--churn",
    "churn_model",
    default="logistic",
    show_default=True,
    type=click.Choice(["logistic", "boosted"]),
    help="boosted cannot be written as data and needs --engine joblib.",
)
@click.option(
    "--engine", default="portable", show_default=True, type=click.Choice(["portable", "joblib"])
)
@click.option("--bootstraps", default=BOOTSTRAPS, show_default=True, type=click.IntRange(1, 1000))
@click.option("--seed", default=SEED, show_default=True, type=click.IntRange(0))
@click.option(
    "--out",
    default=_ROOT,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where NAME-VERSION/ is written.  [default: model_artifacts]",
)
def train(  # one parameter for each option
    orders: Path | None,
    mapping: str | None,
    name: str | None,
    release: str,
    currency: str,
    horizon_weeks: int,
    segments: int | None,
    churn_model: ChurnModel,
    engine: Literal["portable", "joblib"],
    bootstraps: int,
    seed: int,
    out: Path,
) -> None:
    """Turn an orders file into a packaged model: segments, churn and expected orders."""
    console = Console()
    if mapping is not None and orders is None:
        raise click.UsageError("--mapping says how the file of --orders looks")
    name = _name(name, release, orders)
    try:
        history = _history(orders, mapping, console)
        recipe = Recipe(
            currency=check_currency(currency, field="currency"),
            horizon_days=7 * horizon_weeks,
            seed=seed,
            ks=CANDIDATE_KS if segments is None else (segments,),
            bootstraps=bootstraps,
            churn_model=churn_model,
        )
        console.print(
            f"{len(history.orders):,} orders of {history.customers:,} customers:"
            f" {history.source}. Seed {seed}."
        )
        model = train_model(at_most(history), recipe)
        directory, document = package(model, out, name=name, release=release, engine=engine)
    except SegueError as error:
        raise click.ClickException(str(error)) from error
    console.print(_stability_table(model.studied, model.chosen))
    if not model.chosen.eligible:
        console.print("[bold]No number of segments was stable:[/] treat them with care.")
    console.print(_segment_table(document))
    if model.held_out:
        console.print(_held_out_table(model))
    else:
        console.print("[bold]The history is too short to test on time after training.[/]")
    console.print(f"Wrote {directory}: look at report.html.")
    click.echo(
        json.dumps(
            {
                "model": document.id,
                "segments": len(document.segments),
                "segment_ari": document.metrics["segment_ari_mean"],
                "held_out_auc": document.metrics.get("held_out_auc"),
                "seed": seed,
            }
        )
    )


def _name(name: str | None, release: str, orders: Path | None) -> str:
    if name is None:
        if orders is not None:
            raise click.UsageError("--orders needs a --name: cdnow is the model that ships")
        name = "cdnow"
    if not re.match(MODEL_NAME, name):
        raise click.BadParameter("must be lower case, digits and hyphens", param_hint="--name")
    if not re.match(MODEL_VERSION, release):
        raise click.BadParameter("must look like 1.0.0", param_hint="--version")
    return name


def _history(orders: Path | None, mapping: str | None, console: Console) -> History:
    if orders is None:
        return cdnow_history()
    file = read_orders(orders, mapping=mapping, now=int(time.time()))
    for reason in first_reasons(file.rejects):
        console.print("rejected", reason, highlight=False, markup=False)
    return history_of(file.orders, source=orders.name)


def _stability_table(studied: tuple[Stability, ...], chosen: Stability) -> Table:
    table = Table(title="How many segments", title_justify="left", box=SIMPLE)
    for heading in ("k", "mean ARI", "worst", "≥ .90", "silhouette", "smallest"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in studied:
        table.add_row(
            str(row.k),
            f"{row.ari_mean:.3f}",
            f"{row.ari_min:.3f}",
            f"{row.agreeing_share:.0%}",
            f"{row.silhouette:.3f}",
            f"{row.smallest_share:.1%}",
            "chosen" if row == chosen else "" if row.eligible else "not eligible",
            style="bold" if row == chosen else "",
        )
    return table


def _segment_table(document: ModelDocument) -> Table:
    table = Table(title="Segments", title_justify="left", box=SIMPLE)
    table.add_column("segment")
    table.add_column("who they are")
    table.add_column("customers", justify="right")
    for segment in document.segments:
        table.add_row(segment.name, segment.description, f"{segment.customers:,}")
    return table


def _held_out_table(model: TrainedModel) -> Table:
    table = Table(
        title='"Buys again", tested on time after training', title_justify="left", box=SIMPLE
    )
    for heading in ("tested at", "AUC", "AUC of recency alone", "Brier", "of the base rate"):
        table.add_column(heading, justify="right")
    for held in model.held_out:
        table.add_row(
            format_instant(held.as_of)[:10],
            f"{held.auc:.4f}",
            f"{held.recency_auc:.4f}",
            f"{held.brier:.4f}",
            f"{held.base_brier:.4f}",
        )
    return table
