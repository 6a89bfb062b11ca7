"""Scoring a features file on a laptop: the engine of the drops, without AWS."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalicelib.core.features import Features
from chalicelib.scoring.portable import PortableScorer
from ops.cli import main
from ops.places import ROOT
from tests.drops import zipped
from tests.parquet_files import parquet, rows_of
from tests.unit.files.scored import HEADER, shipped_document

TEXT = f"{HEADER},consent_profiling\nc-1,10,3,2500,400,90,\nc-2,x,1,1,1,1,\nc-3,1,1,1,1,1,false\n"


def test_a_file_is_scored_and_its_rejects_are_named(tmp_path: Path) -> None:
    """The last line is what came of it; nothing but the two files is left behind."""
    source, out, rejects = (tmp_path / name for name in ("a.csv.gz", "s.parquet", "r.csv"))
    source.write_bytes(zipped(TEXT))

    result = CliRunner().invoke(
        main, ["score", str(source), "--out", str(out), "--rejects", str(rejects)]
    )

    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout.splitlines()[-1])
    assert (said["records"], said["scored"], said["rejected"]) == (3, 1, 1)
    assert said["unscored"] == {"no_consent_to_profiling": 1}
    assert said["model"] == "cdnow-1.0.0"
    expected = PortableScorer(shipped_document(), sha256="0" * 64).score(
        Features(10, 3, 2500, 400, 90)
    )
    [(customer_id, segment, _, _)] = rows_of(out.read_bytes())
    assert (customer_id, segment) == ("c-1", expected.segment)
    assert "2,recency_days,x,must be a number such as 29.33" in rejects.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv.gz", "r.csv", "s.parquet"]


def test_a_parquet_and_a_plain_text_are_read_where_they_lie(tmp_path: Path) -> None:
    """They are not copied, and they are still there afterwards."""
    rows = "SELECT 'c-1' AS customer_id, 1 AS recency_days, 1 AS frequency, 1 AS monetary_minor,"
    (tmp_path / "a.parquet").write_bytes(
        parquet(f"{rows} 1 AS tenure_days, NULL::DOUBLE AS mean_gap_days")
    )
    (tmp_path / "a.csv").write_text(f"{HEADER}\nc-1,1,1,1,1,\n")
    scores = []

    for name in ("a.parquet", "a.csv"):
        out = tmp_path / f"{name}.scores"
        result = CliRunner().invoke(main, ["score", str(tmp_path / name), "--out", str(out)])
        assert result.exit_code == 0, result.output
        scores.append(rows_of(out.read_bytes()))
        assert (tmp_path / name).exists()

    assert scores[0] == scores[1] != []


@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_pandas_is_not_loaded(name: str, tmp_path: Path) -> None:
    """DuckDB loads it to bind a value, where it is installed: a quarter of a second, and 45 MB."""
    columns = "1 AS recency_days, 1 AS frequency, 1 AS monetary_minor, 1 AS tenure_days"
    rows = f"SELECT 'c-1' AS customer_id, {columns}, 1 AS mean_gap_days"
    (tmp_path / "a.parquet").write_bytes(parquet(rows))
    (tmp_path / "a.csv").write_text(f"{HEADER}\nc-1,1,1,1,1,\n")
    given = ["score", str(tmp_path / name), "--out", str(tmp_path / "scores")]
    asked = "import sys; from ops.cli import main; main(sys.argv[1:], standalone_mode=False)"
    command = [sys.executable, "-c", f"{asked}; print('pandas' in sys.modules)", *given]

    told = subprocess.run(  # noqa: S603
        command, check=True, capture_output=True, text=True, cwd=ROOT
    )

    assert told.stdout.splitlines()[-1] == "False"


def test_a_useless_file_is_refused_in_one_line(tmp_path: Path) -> None:
    """The reason names the column or the ending, and no scores are left."""
    (tmp_path / "a.csv").write_text("customer_id\nc-1\n")
    (tmp_path / "a.xlsx").write_text(TEXT)

    for name, words in (("a.csv", "lacks the column recency_days"), ("a.xlsx", "must end with")):
        out = tmp_path / "scores.parquet"
        result = CliRunner().invoke(main, ["score", str(tmp_path / name), "--out", str(out)])
        assert result.exit_code == 1
        assert words in result.output
        assert not out.exists()
