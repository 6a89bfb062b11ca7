"""``export-sql``: a file that can be run, or a reason why not."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from ops.cli import main
from tests.trained import artefact, document


def run(*arguments: str) -> Result:
    """Run the command with the trained model."""
    return CliRunner().invoke(main, ["export-sql", "--model", str(artefact()), *arguments])


def test_writes_a_file_that_duckdb_runs(tmp_path: Path) -> None:
    """From orders to segments with nothing but the two files."""
    features, scores = tmp_path / "features.sql", tmp_path / "scores.sql"

    for arguments in (
        ["--what", "features", "--as-of", "2026-01-31", "--out", str(features)],
        ["--what", "scores", "--out", str(scores)],
    ):
        assert run("--dialect", "duckdb", *arguments).exit_code == 0
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE orders AS SELECT 'c-1' AS customer_id, 1767225600 AS at,"
            " 2700 AS amount_minor, 'USD' AS currency"
        )
        connection.execute(f"CREATE TABLE features AS {features.read_text()}")
        rows = connection.execute(scores.read_text()).fetchall()

    assert [(row[0], row[1] in document().segment_names) for row in rows] == [("c-1", True)]


def test_says_which_model_it_is() -> None:
    """The first line names the model and the hash of its document."""
    first, *_ = run("--dialect", "athena").output.splitlines()

    assert first.startswith("-- cdnow-1.0.0, model.json sha256:")
    assert first.endswith(", for athena")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--what", "features"], "--as-of"),
        (["--as-of", "2026-01-31"], "--what features"),
        (["--what", "features", "--as-of", "soon"], "--as-of"),
        (["--keep", "segment"], "rename your column"),
        (["--source", "(SELECT"], "--source"),
        (["--what", "features", "--as-of", "2026-01-31", "--keep", "id"], "--keep"),
    ],
)
def test_says_what_is_wrong(arguments: list[str], problem: str) -> None:
    """Each mistake is named with the option that it is in."""
    result = run("--dialect", "spark", *arguments)

    assert result.exit_code != 0
    assert problem in result.output


def test_refuses_a_model_that_was_changed(tmp_path: Path) -> None:
    """A document that is not the manifest's is not written down."""
    for file in artefact().iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.json").write_bytes(b"{}")

    result = CliRunner().invoke(
        main, ["export-sql", "--dialect", "duckdb", "--model", str(tmp_path)]
    )

    assert result.exit_code == 1
    assert "HashMismatch" in result.output
