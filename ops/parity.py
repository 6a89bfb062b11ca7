"""``python -m ops parity``: a million rows, scored by every engine, and how far they are apart."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import click

from ops.agreement.measure import measure
from ops.agreement.speed import rows_per_cpu_second
from ops.export_sql import read_model
from ops.places import MODELS
from ops.training.history import cdnow_history, complete_journey_history

_SPEED_ROWS = 2_000_000


@click.command()
@click.option(
    "--rows",
    default=1_000_000,
    show_default=True,
    type=click.IntRange(1),
    help="How many difficult rows are made, beside those of real customers.",
)
@click.option("--seed", default=1997, show_default=True, type=click.IntRange(0))
@click.option("--spark", is_flag=True, help="Ask Spark, too (make spark).")
@click.option(
    "--model",
    "artefact",
    default=MODELS / "cdnow-1.0.0",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A packaged model.  [default: model_artifacts/cdnow-1.0.0]",
)
def parity(rows: int, seed: int, *, spark: bool, artefact: Path) -> None:
    """Score a million rows with every engine, and fail where they differ."""
    began = time.perf_counter()
    histories = {"cdnow": cdnow_history("master"), "complete_journey": complete_journey_history()}
    with tempfile.TemporaryDirectory(prefix="segue-parity-") as directory:
        figures = measure(
            artefact,
            Path(directory),
            histories,
            rows=rows,
            seed=seed,
            spark=spark,
            say=lambda line: click.echo(line, err=True),
        )
    document, _ = read_model(artefact)
    figures["select_rows_per_cpu_second"] = rows_per_cpu_second(document, rows=_SPEED_ROWS)
    figures["seconds"] = round(time.perf_counter() - began, 1)
    click.echo(json.dumps(figures))
    if figures["failed"]:
        sys.exit(1)
