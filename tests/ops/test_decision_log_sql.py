"""The queries of docs/measurement.md: DuckDB runs its own on a real log, Athena's are Athena's."""

from __future__ import annotations

import io
import re
from pathlib import Path

import duckdb
import pytest
import sqlglot

from chalicelib import telemetry
from chalicelib.core.log_line import COLUMNS
from chalicelib.flows.chronicle import from_stream
from ops.places import ROOT
from tests.chronicles import BUCKET, ports, records_event
from tests.fakes import MemoryObjects, MemoryStore
from tests.unit.core.situations import NOW, checkout, default_policy
from tests.unit.core.test_exploration import recorded

QUERIES = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "measurement.md").read_text(), re.DOTALL)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A folder that holds the log of three decisions, as a copy of the bucket would."""
    telemetry.configure(stage="test", stream=io.StringIO())
    objects = MemoryObjects()
    told = [recorded(checkout(decision_id=f"d_{n}"), default_policy()) for n in range(3)]
    from_stream(records_event(told), ports=ports(MemoryStore(), objects), now=NOW)
    for key in objects.keys(BUCKET):
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(objects.body(BUCKET, key))
    return tmp_path


def test_duckdbs_query_runs_over_the_log(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three decisions at one place of one segment, each of which chose the same."""
    [query] = [each for each in QUERIES if "read_json" in each]
    monkeypatch.chdir(log)

    [row] = duckdb.sql(query).fetchall()

    placement, segment, decisions, churn, winbacks = row
    assert (placement, segment, decisions, winbacks) == ("checkout", "at_risk", 3, 3)
    assert 0 < churn < 1


def test_athenas_statements_are_athenas_and_name_columns_of_the_log() -> None:
    """They parse in its dialect, and every column of the table is one of a line."""
    athena = [each for each in QUERIES if "read_json" not in each]
    assert len(athena) == 2
    create, select = (sqlglot.parse_one(each, dialect="athena") for each in athena)

    schema = create.find(sqlglot.exp.Schema)
    assert schema is not None
    named = {column.name for column in schema.expressions}
    assert named <= COLUMNS.keys()
    assert {each.name for each in select.find_all(sqlglot.exp.Column)} <= {
        "action",
        "layer",
        "reason",
        "outcome",
        "candidates",
        "date",
        "decision_id",
    }
