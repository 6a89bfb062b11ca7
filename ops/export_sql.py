"""``python -m ops export-sql``: the model, or what it sees of a customer, as one select."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import click
from sqlglot.errors import SqlglotError

from chalicelib.core.errors import BadInput
from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.instants import format_instant, parse_instant
from chalicelib.scoring.document import ModelDocument, read_document
from chalicelib.scoring.manifest import DOCUMENT_FILE, listed_sha256, read_bytes, read_manifest
from chalicelib.scoring.sql import features_select, score_select
from ops.places import MODELS
from ops.warehouse import DIALECTS, Dialect, in_dialect

What = Literal["scores", "features"]
ORDER_COLUMNS = ("customer_id", "at", "amount_minor", "currency")


@click.command(name="export-sql")
@click.option("--dialect", required=True, type=click.Choice(DIALECTS))
@click.option(
    "--what",
    default="scores",
    show_default=True,
    type=click.Choice(get_args(What)),
    help="scores: from a row of features to segment, churn and expected orders."
    " features: from orders to a row of features.",
)
@click.option(
    "--model",
    "artefact",
    default=MODELS / "cdnow-1.0.0",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A packaged model.  [default: model_artifacts/cdnow-1.0.0]",
)
@click.option(
    "--source",
    help="What the select reads from: a table, or a select in parentheses."
    "  [default: features or orders]",
)
@click.option(
    "--keep",
    multiple=True,
    help="For scores: a column that is handed through; may be given more than once."
    "  [default: customer_id]",
)
@click.option("--as-of", help="For features: the moment, such as 2026-01-31T09:30:00Z.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write it.  [default: the terminal]",
)
def export_sql(  # one parameter for each option
    dialect: Dialect,
    what: What,
    artefact: Path,
    source: str | None,
    keep: tuple[str, ...],
    as_of: str | None,
    out: Path | None,
) -> None:
    """Write the model, or what it sees of a customer, as one select for a warehouse."""
    document, sha256 = read_model(artefact)
    head = f"-- {document.id}, model.json sha256:{sha256}, for {dialect}\n"
    try:
        if what == "features":
            if keep:
                raise click.UsageError("--keep is for scores: features are those of a customer_id")
            text = head + exported_features(document, dialect, source or "orders", _moment(as_of))
        else:
            if as_of is not None:
                raise click.UsageError(
                    "--as-of is for --what features: a row of scores has no time"
                )
            text = head + exported_scores(
                document, dialect, source or "features", keep or ("customer_id",)
            )
    except SqlglotError as error:
        raise BadInput.of("--source", f"cannot be read as SQL: {_first_line(error)}") from error
    if out is None:
        click.echo(text)
    else:
        out.write_text(f"{text}\n")
        click.echo(f"Wrote {out}: {what} of {document.id} for {dialect}.")


def read_model(artefact: Path) -> tuple[ModelDocument, str]:
    """The verified document of a packaged model, and its sha256; raises ArtifactRejected."""
    sha256 = listed_sha256(read_manifest(artefact), DOCUMENT_FILE)
    return read_document(read_bytes(artefact / DOCUMENT_FILE), expected_sha256=sha256), sha256


def exported_scores(
    document: ModelDocument, dialect: Dialect, source: str, keep: tuple[str, ...]
) -> str:
    """The select that scores a row of features, under a line that says what it reads."""
    select = in_dialect(score_select(document, source=source, keep=keep), dialect)
    return f"-- reads {', '.join((*keep, *FEATURE_NAMES))}\n{select}"


def exported_features(document: ModelDocument, dialect: Dialect, source: str, as_of: int) -> str:
    """The select that describes a customer's orders, under a line that says what it reads."""
    select = in_dialect(
        features_select(source=source, as_of=as_of, currency=document.currency), dialect
    )
    return (
        f"-- reads {', '.join(ORDER_COLUMNS)}; as of {format_instant(as_of)},"
        f" values in {document.currency}\n{select}"
    )


def _moment(as_of: str | None) -> int:
    if as_of is None:
        raise click.UsageError("--what features needs --as-of: features are those of a moment")
    return parse_instant(as_of, field="--as-of")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
