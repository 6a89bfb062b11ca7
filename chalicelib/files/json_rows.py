"""JSON Lines into typed columns: read as text, then cast value by value.

DuckDB's own JSON reader has no table of rejects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.files.database import literal, stream
from chalicelib.files.layout import BUFFER_BYTES, LONGEST_LINE_BYTES, MOST_COLUMNS, Layout
from chalicelib.files.numbering import UNIT_SEPARATOR
from chalicelib.files.rejects import Reject
from chalicelib.files.unpack import FileRefused

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Refuse = Callable[[Reject, Mapping[str, Any]], None]


def load_jsonl(
    connection: DuckDBPyConnection, path: Path, *, layout: Layout, refuse: Refuse
) -> list[str]:
    """Fill the tables ``rows`` and ``refused`` from numbered lines; returns the fields.

    ``refuse`` is told of each line that is no object or holds a value that does not fit, and of
    what else it says. Raises FileRefused when there are too many different fields.
    """
    connection.execute(
        "CREATE TABLE lines AS SELECT * FROM read_csv($path, auto_detect=false, header=false,"  # noqa: S608
        " delim=$delim, quote='', escape='', new_line='\\n', parallel=false,"
        f" max_line_size={LONGEST_LINE_BYTES}, buffer_size={BUFFER_BYTES},"
        " columns={'record': 'BIGINT', 'line': 'VARCHAR'})",
        {"path": str(path), "delim": UNIT_SEPARATOR},
    )
    connection.execute(
        "CREATE TABLE objects AS SELECT * FROM"
        " (SELECT record, line FROM lines WHERE json_valid(line))"
        " WHERE json_type(line) = 'OBJECT'"
    )
    keys = _keys(connection, layout)
    fields = list(keys)
    casts = ", ".join(
        f"TRY_CAST({_text(key)} AS {layout.sql_type(field)}) AS c{index}"
        for index, (field, key) in enumerate(keys.items())
    )
    faults = " ".join(
        f"WHEN {_is_at_fault(keys[field], layout.sql_type(field))} THEN {literal(field)}"
        for field in layout.columns
    )
    connection.execute(
        f"CREATE TABLE judged AS SELECT record, line, CASE {faults} END AS fault FROM objects;"  # noqa: S608
        f" CREATE TABLE rows AS SELECT record, {casts} FROM judged WHERE fault IS NULL;"
        " CREATE TABLE refused AS SELECT record, lines.line, fault FROM lines"
        " LEFT JOIN judged USING (record) ANTI JOIN rows USING (record);"
        " DROP TABLE judged; DROP TABLE objects; DROP TABLE lines"
    )
    for record, line, fault in stream(
        connection, "SELECT record, line, fault FROM refused ORDER BY record"
    ):
        said = {} if fault is None else _decoded(line)
        if not said:
            refuse(Reject(record, "", line, "is not a JSON object"), {})
        else:
            told = {field: said.get(key) for field, key in keys.items()}
            refuse(Reject(record, fault, _shown(told[fault]), layout.wants(fault)), told)
    return fields


def _keys(connection: DuckDBPyConnection, layout: Layout) -> dict[str, str]:
    """The key of each field in the file's objects, those that we do not know last."""
    source = {ours: str(theirs) for theirs, ours in layout.names.items()}
    keys = {field: source.get(field, field) for field in layout.columns}
    known = set(keys.values())
    found = connection.execute(
        "SELECT DISTINCT unnest(json_keys(line)) AS name FROM objects ORDER BY name"  # noqa: S608
        f" LIMIT {MOST_COLUMNS + len(known) + 1}"
    ).fetchall()
    others = [name for (name,) in found if name not in known]
    if len(others) > MOST_COLUMNS:
        raise FileRefused.of("file", f"has more than {MOST_COLUMNS} different fields")
    return keys | {layout.field_of(name): name for name in others}


def _decoded(line: str) -> Mapping[str, Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _pointer(key: str) -> str:
    return literal("/" + key.replace("~", "~0").replace("/", "~1"))


def _text(key: str) -> str:
    return f"json_extract_string(line, {_pointer(key)})"


def _is_at_fault(key: str, sql_type: str) -> str:
    """Whether a value stands there that is not of its kind; objects and lists never are."""
    if sql_type == "VARCHAR":
        return f"json_type(line, {_pointer(key)}) IN ('OBJECT', 'ARRAY')"
    return f"({_text(key)} IS NOT NULL AND TRY_CAST({_text(key)} AS {sql_type}) IS NULL)"
