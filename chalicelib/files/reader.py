"""Rows of a plain text file, typed by DuckDB; what it cannot type is a reject with its number.

A record number counts data records from 1, header and blank lines aside: DuckDB numbers rejects by
record, and what it kept is numbered around them.
"""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from chalicelib.files.unpack import FileRefused

FileFormat = Literal["csv", "jsonl"]
ColumnType = Literal["VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "DECIMAL(18,4)"]
MOST_COLUMNS = 500
FETCH_ROWS = 2_000
_WANTED = {
    "BIGINT": "a whole number",
    "DOUBLE": "a number",
    "BOOLEAN": "true or false",
    "DECIMAL(18,4)": "a number such as 29.33",
    "VARCHAR": "text",
}


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was not taken: which, where, what stood there, and why not."""

    record: int
    column: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How a text file is cut into columns.

    Attributes:
        format: CSV, or one JSON object a line.
        columns: the type of each field that we know; others are text.
        names: our name for each column of the file, where it differs.
        required: fields without which the file is refused.
        delimiter: of a CSV; ``whitespace`` for aligned columns.
        header: whether a CSV names its columns.
        decimal: the decimal separator.
    """

    format: FileFormat
    columns: Mapping[str, ColumnType]
    names: Mapping[str | int, str]
    required: Sequence[Sequence[str]]
    delimiter: str = ","
    header: bool = True
    decimal: str = "."


class Rows:
    """A file in DuckDB: its rejects, and its rows in the order of a column."""

    def __init__(self, path: Path, layout: Layout, *, workdir: Path, memory_mb: int) -> None:
        """Load the file; raises FileRefused when header or structure make it useless."""
        import duckdb  # noqa: PLC0415  (0.2 s, and only for files)

        self._layout = layout
        self._connection = duckdb.connect(
            str(workdir / "rows.duckdb"),
            config={
                "threads": 1,
                "memory_limit": f"{memory_mb}MB",
                "temp_directory": str(workdir / "spill"),
                "extension_directory": str(workdir / "extensions"),
                "home_directory": str(workdir),
            },
        )
        match layout.format:
            case "csv":
                self.fields = self._load_csv(path)
            case "jsonl":
                self.fields = self._load_jsonl(path)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @property
    def count(self) -> int:
        """All records, good and bad."""
        (good,) = self._one("SELECT count(*) FROM rows")
        return int(good) + len(self._bad)

    @property
    def rejects(self) -> list[Reject]:
        """What DuckDB could not type: the first fault of each record."""
        return self._rejects

    def ordered_by(self, *fields: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Record number and values, ordered by these fields and then as in the file."""
        order = ", ".join([*(_quoted(field) for field in fields), "rn"])
        cursor = self._connection.cursor()
        cursor.execute(f"SELECT * FROM rows ORDER BY {order}")  # noqa: S608  (names are quoted)
        while chunk := cursor.fetchmany(FETCH_ROWS):
            for number, *values in chunk:
                yield self._record(number), dict(zip(self.fields, values, strict=True))

    def _load_csv(self, path: Path) -> list[str]:
        layout = self._layout
        delimiter = layout.delimiter
        if delimiter == "whitespace":
            path = _tabulated(path)
            delimiter = "\t"
        found = self._header(path, delimiter)
        fields = [layout.names.get(name, str(name)) for name in found]
        self._check_header(fields)
        types = {field: layout.columns.get(field, "VARCHAR") for field in fields}
        parameters = {
            "path": str(path),
            "delim": delimiter,
            "decimal": layout.decimal,
            "header": layout.header,
        }
        columns = ", ".join(f"{_literal(field)}: '{kind}'" for field, kind in types.items())
        self._connection.execute(
            "CREATE TABLE rows AS SELECT row_number() OVER () AS rn, * FROM read_csv("  # noqa: S608
            "$path, auto_detect=false, delim=$delim, quote='\"', escape='\"', header=$header,"
            f" decimal_separator=$decimal, columns={{{columns}}}, store_rejects=true,"
            " rejects_limit=0, max_line_size=8388608, parallel=false)",
            parameters,
        )
        self._take_csv_rejects(fields, types)
        return fields

    def _header(self, path: Path, delimiter: str) -> list[str | int]:
        with path.open(encoding="utf-8", newline="") as text:
            try:
                first = next(csv.reader(text, delimiter=delimiter), [])
            except csv.Error:
                raise FileRefused.of("header", "cannot be read as CSV") from None
        if len(first) > MOST_COLUMNS:
            raise FileRefused.of("header", f"has more than {MOST_COLUMNS} columns")
        if self._layout.header:
            return [name.strip() for name in first]
        return list(range(1, len(first) + 1))

    def _check_header(self, fields: Sequence[str]) -> None:
        for alternatives in self._layout.required:
            if not any(field in fields for field in alternatives):
                names = " or ".join(alternatives)
                raise FileRefused.of("header", f"lacks the column {names}")
        twice = {field for field in fields if fields.count(field) > 1}
        if twice or "" in fields or "rn" in fields:
            raise FileRefused.of(
                "header", f"names a column badly: {min(twice or {'(empty)'})[:64]!r}"
            )

    def _take_csv_rejects(self, fields: Sequence[str], types: Mapping[str, ColumnType]) -> None:
        found = self._connection.execute(
            "SELECT line, column_idx, error_type, csv_line FROM reject_errors"
            " ORDER BY line, column_idx"
        ).fetchall()
        offset = 1 if self._layout.header else 0
        by_record: dict[int, Reject] = {}
        for line, column, error_type, text in found:
            record = int(line) - offset
            by_record.setdefault(record, _reject(record, column, error_type, text, fields, types,
                                                 self._layout))  # fmt: skip
        self._set_rejects(list(by_record.values()))

    def _load_jsonl(self, path: Path) -> list[str]:
        layout = self._layout
        run = self._connection.execute
        run(
            "CREATE TABLE lines AS SELECT row_number() OVER () AS rn, line FROM read_csv($path,"
            " auto_detect=false, delim='\\x01', quote='', escape='', header=false,"
            " columns={'line': 'VARCHAR'}, max_line_size=8388608, parallel=false)",
            {"path": str(path)},
        )
        # In two steps, each stored: JSON functions fail on text that is none, whatever filters it.
        run("CREATE TABLE valid AS SELECT rn, line FROM lines WHERE json_valid(line)")
        run("CREATE TABLE objects AS SELECT rn, line FROM valid WHERE json_type(line) = 'OBJECT'")
        named = run("SELECT DISTINCT unnest(json_keys(line)) AS name FROM objects ORDER BY name")
        ours = {str(theirs): name for theirs, name in layout.names.items()}
        others = [
            name for (name,) in named.fetchall() if ours.get(name, name) not in layout.columns
        ]
        if len(others) > MOST_COLUMNS:
            raise FileRefused.of("file", f"has more than {MOST_COLUMNS} different fields")
        source = {name: theirs for theirs, name in ours.items()}
        fields = [*layout.columns, *others]
        texts = {field: _json_text(source.get(field, field)) for field in fields}
        kinds = {field: layout.columns.get(field, "VARCHAR") for field in fields}
        picked = ", ".join(
            f"TRY_CAST({texts[field]} AS {kinds[field]}) AS {_quoted(field)}" for field in fields
        )
        faults = " ".join(
            f"WHEN {texts[field]} IS NOT NULL"
            f" AND TRY_CAST({texts[field]} AS {kinds[field]}) IS NULL THEN {_literal(field)}"
            for field in layout.columns
        )
        run(
            "CREATE TABLE judged AS SELECT rn, line,"  # noqa: S608
            f" CASE {faults} END AS fault FROM objects"
        )
        self._set_rejects(self._json_rejects(texts, kinds))
        run(
            "CREATE TABLE rows AS SELECT row_number() OVER (ORDER BY rn) AS rn,"  # noqa: S608
            f" * EXCLUDE (rn) FROM (SELECT rn, {picked} FROM judged WHERE fault IS NULL)"
        )
        return fields

    def _json_rejects(
        self, texts: Mapping[str, str], kinds: Mapping[str, ColumnType]
    ) -> list[Reject]:
        """Lines that are no object, and the first field of a line that has another type."""
        values = " ".join(f"WHEN {_literal(field)} THEN {text}" for field, text in texts.items())
        found = self._connection.execute(
            "SELECT rn, '' AS fault, line[:200] FROM lines ANTI JOIN objects USING (rn)"  # noqa: S608
            f" UNION ALL SELECT rn, fault, CASE fault {values} END FROM judged"
            " WHERE fault IS NOT NULL ORDER BY rn"
        ).fetchall()
        return [
            Reject(
                int(number),
                fault,
                value,
                f"must be {_WANTED[kinds[fault]]}" if fault else "is not a JSON object",
            )
            for number, fault, value in found
        ]

    def _set_rejects(self, rejects: list[Reject]) -> None:
        self._rejects = rejects
        self._bad = sorted(reject.record for reject in rejects)
        # How many good rows come before each bad record.
        self._before = [record - 1 - index for index, record in enumerate(self._bad)]

    def _record(self, number: int) -> int:
        """The record number of the nth good row."""
        return number + bisect_left(self._before, number)

    def _one(self, query: str) -> tuple[Any, ...]:
        row = self._connection.execute(query).fetchone()
        if row is None:
            raise AssertionError(query)
        return tuple(row)


def _reject(
    record: int,
    column: int | None,
    error_type: str,
    text: str,
    fields: Sequence[str],
    types: Mapping[str, ColumnType],
    layout: Layout,
) -> Reject:
    """Name the column and the value that DuckDB could not take."""
    field = fields[column - 1] if column and column <= len(fields) else ""
    match error_type:
        case "CAST":
            values = next(csv.reader([text.lstrip("\r\n")], delimiter=_delimiter(layout)), [])
            value = values[column - 1] if column and column <= len(values) else text
            return Reject(record, field, value, f"must be {_WANTED[types[field]]}")
        case "TOO MANY COLUMNS":
            return Reject(record, "", text, f"has more than {len(fields)} columns")
        case "MISSING COLUMNS":
            return Reject(record, "", text, f"has fewer than {len(fields)} columns")
        case "UNQUOTED VALUE":
            return Reject(record, field, text, "has a quote that is not closed")
        case other:
            return Reject(record, field, text, other.lower())


def _delimiter(layout: Layout) -> str:
    return "\t" if layout.delimiter == "whitespace" else layout.delimiter


def _tabulated(path: Path) -> Path:
    """Columns aligned with blanks, as one with tabs: DuckDB takes no run of blanks as delimiter."""
    target = path.with_suffix(".tabs")
    with (
        path.open(encoding="utf-8", newline="") as aligned,
        target.open("w", encoding="utf-8", newline="") as tabs,
    ):
        for line in aligned:
            tabs.write("\t".join(line.split()) + "\n")
    return target


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _json_text(name: str) -> str:
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    return f"json_extract_string(line, {_literal(pointer)})"
