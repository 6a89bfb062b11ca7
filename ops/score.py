"""``python -m ops score``: a features file scored on this machine, by the engine of the drops.

python -m ops score customers.csv.gz --out scores.parquet --rejects rejects.csv

Nothing of AWS is asked and nobody's profile is read.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from chalicelib.core.errors import SegueError
from chalicelib.core.scores import Scorer
from chalicelib.files.lying_plain import lies_plain
from chalicelib.files.parquet_file import check_parquet
from chalicelib.files.rejects import RejectSpool
from chalicelib.files.score_file import ScoredFile
from chalicelib.files.unpack import unpack
from chalicelib.flows.drop_features import score_features
from chalicelib.flows.drop_layouts import plan_for
from chalicelib.flows.drop_report import Tally, write_rejects
from chalicelib.scoring.load import ENGINES, load_scorer
from ops.places import MODELS

DEFAULT_MODEL = "cdnow-1.0.0"
MEMORY_MB = 96
MOST_BYTES = 1 << 40  # a laptop's disk is its owner's; the drops have a limit of their own


@dataclass(frozen=True, slots=True)
class LocalJob:
    """One file to score.

    Attributes:
        source: the features file, with the ending of its format.
        target: where the scores go, as Parquet.
        rejects: where records go that were not taken; None for nowhere.
        memory_mb: what DuckDB may hold.
    """

    source: Path
    target: Path
    rejects: Path | None = None
    memory_mb: int = MEMORY_MB


def score_locally(job: LocalJob, scorer: Scorer) -> ScoredFile:
    """Score a file; raises FileRefused, or Broken when the records do not add up."""
    plan = plan_for(f"features/{job.source.name}", lambda _: None)
    limits = {"most_bytes": MOST_BYTES}
    # Beside the target: a file of this size may not fit where the system keeps its temporary ones.
    with tempfile.TemporaryDirectory(dir=job.target.resolve().parent) as folder:
        workdir = Path(folder)
        source = job.source.resolve()
        if plan.layout.format == "parquet":
            check_parquet(
                source,
                plan.layout,
                unfold=False,
                workdir=workdir / "footer",
                memory_mb=job.memory_mb,
                **limits,
            )
        elif (
            plan.compressed
            or plan.encoding != "utf-8"
            or not lies_plain(source, most_bytes=MOST_BYTES)
        ):
            plain = workdir / "plain"
            unpack(source, plain, compressed=plan.compressed, encoding=plan.encoding, **limits)
            source = plain
        spool = RejectSpool(workdir / "rejected")
        try:
            scored = score_features(
                source,
                plan.layout,
                scorer=scorer,
                target=workdir / "scores.parquet",
                rejects=spool,
                workdir=workdir,
                memory_mb=job.memory_mb,
            )
            _tally(scored, spool).check()
            if job.rejects is not None:
                write_rejects(job.rejects, spool)
        finally:
            spool.close()
        (workdir / "scores.parquet").replace(job.target)
    return scored


def _tally(scored: ScoredFile, spool: RejectSpool) -> Tally:
    return Tally(
        records=scored.records,
        rejected=spool.count,
        scored=scored.scored,
        unscored=scored.unscored,
        segments=scored.segments,
        per_record=True,
    )


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the scores go, as Parquet.",
)
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where records go that were not taken, as CSV.",
)
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="A packaged model.")
@click.option("--engine", type=click.Choice(ENGINES), default=ENGINES[0], show_default=True)
@click.option("--memory-mb", default=MEMORY_MB, show_default=True, help="What DuckDB may hold.")
def score(
    file: Path, out: Path, rejects: Path | None, model: str, engine: str, memory_mb: int
) -> None:
    """Score a features file on this machine; nothing of AWS is asked."""
    try:
        scorer = load_scorer(engine, MODELS / model)
        scored = score_locally(LocalJob(file, out, rejects, memory_mb), scorer)
    except SegueError as error:
        raise click.ClickException(str(error)) from None
    rejected = scored.records - scored.scored - scored.unscored.total()
    for segment, count in scored.segments.most_common():
        click.echo(f"{count:12,} {segment}", err=True)
    click.echo(
        json.dumps(
            {
                "records": scored.records,
                "scored": scored.scored,
                "unscored": dict(scored.unscored),
                "rejected": rejected,
                "segments": dict(sorted(scored.segments.items())),
                "model": scorer.name,
            }
        )
    )
