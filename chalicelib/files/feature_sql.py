"""The selects that read a features file: its customers and features, and what is wrong with a row.

Each has the columns ``customer_id``, the features, ``consent_profiling``, ``fault`` (the column
whose value is not of its type, empty for a row that is none, NULL when all is well) and ``said``
(what stands there); where records have numbers, also ``record``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from chalicelib.core.features import FEATURE_NAMES
from chalicelib.files.database import literal
from chalicelib.files.layout import BUFFER_BYTES, LONGEST_LINE_BYTES, Layout
from chalicelib.files.parquet_file import ParquetColumn
from chalicelib.files.rejects import LONGEST_VALUE
from chalicelib.files.survey import LONGEST_PLAIN_BYTES, PlainLines

CONSENT = "consent_profiling"
COLUMNS = ("customer_id", *FEATURE_NAMES, CONSENT)
# What may stand before an object.
_BLANKS = "' ' || chr(9) || chr(13)"


def typed_csv(
    path: Path, layout: Layout, fields: Sequence[str], plain: PlainLines, *, telling: bool = False
) -> str:
    """A CSV as it lies, typed while it is read: a line that does not fit leaves no row.

    With ``telling`` it stands in ``reject_errors`` instead. DuckDB keeps more than a kilobyte of
    each there, in memory and whatever its limit, so nobody may ask before they are known to be few.
    """
    columns = {f"c{at}": layout.sql_type(field) for at, field in enumerate(fields)}
    places = _places(fields)
    wanted = (f"{places.get(name, 'NULL::BOOLEAN')} AS {name}" for name in COLUMNS)
    keeping = "store_rejects=true, rejects_limit=0" if telling else "ignore_errors=true"
    read = _read_csv(path, layout, columns, plain=plain, skip=1, errors=keeping)
    return f"SELECT {', '.join(wanted)}, NULL::VARCHAR AS fault, NULL::VARCHAR AS said FROM {read}"  # noqa: S608


def numbered_csv(path: Path, layout: Layout, fields: Sequence[str]) -> str:
    """Numbered records of a CSV, read as texts and then typed."""
    columns = {"record": "BIGINT"} | {f"c{at}": "VARCHAR" for at in range(len(fields))}
    places = _places(fields)
    texts = (f"{places.get(name, 'NULL::VARCHAR')} AS {name}" for name in COLUMNS)
    source = f"(SELECT record, {', '.join(texts)} FROM {_read_csv(path, layout, columns)})"  # noqa: S608
    return judged(source, layout, dict.fromkeys(COLUMNS, "VARCHAR"))


def typed_json(path: Path, layout: Layout) -> str:
    """JSON Lines as they lie, typed while they are read; any value that does not fit is an error.

    An object or a list as an id is no error to DuckDB, but a text that begins like one.
    """
    columns = _listed((name, layout.sql_type(name)) for name in COLUMNS)
    nested = "starts_with(customer_id, '{') OR starts_with(customer_id, '[')"
    return (
        f"SELECT {', '.join(COLUMNS)}, CASE WHEN {nested} THEN 'customer_id' END AS fault,"  # noqa: S608
        f" NULL::VARCHAR AS said FROM read_json({literal(str(path))}, auto_detect=false,"
        f" format='newline_delimited', records=true, columns={{{columns}}},"
        f" maximum_object_size={LONGEST_PLAIN_BYTES})"
    )


def plain_lines(path: Path, layout: Layout, plain: PlainLines) -> str:
    """What stands behind FROM for JSON Lines as they lie: the column ``line``."""
    return _read_csv(path, layout, {"line": "VARCHAR"}, plain=plain)


def numbered_lines(path: Path, layout: Layout) -> str:
    """The same for numbered JSON Lines, with ``record``."""
    return _read_csv(path, layout, {"record": "BIGINT", "line": "VARCHAR"})


def has_field(lines: str, name: str) -> str:
    """Whether any object has a field, be it null."""
    return (
        f"SELECT count(*) > 0 FROM (SELECT 1 FROM {lines} WHERE json_valid(line)"  # noqa: S608
        f" AND json_exists(line, '/{name}') LIMIT 1)"
    )


def typed_parquet(path: Path, layout: Layout, columns: Mapping[str, ParquetColumn]) -> str:
    """The columns of a Parquet file; texts among them are typed like those of a CSV."""
    known = {name: columns[name] for name in COLUMNS if name in columns}
    texts = {"VARCHAR": "VARCHAR", "ENUM": "VARCHAR"}
    types = {
        name: texts.get(known[name].kind, "other") if name in known else "BOOLEAN"
        for name in COLUMNS
    }
    wanted = (
        f"{_parquet_value(known[name], layout) if name in known else 'NULL::BOOLEAN'} AS {name}"
        for name in COLUMNS
    )
    source = (
        f"(SELECT file_row_number + 1 AS record, {', '.join(wanted)}"  # noqa: S608
        f" FROM read_parquet({literal(str(path))}, file_row_number=true))"
    )
    return judged(source, layout, types)


def _parquet_value(column: ParquetColumn, layout: Layout) -> str:
    """A value as it is; an empty text where a number or a flag is wanted says nothing."""
    if column.kind not in ("VARCHAR", "ENUM") or layout.sql_type(column.field) == "VARCHAR":
        return column.quoted
    return f"nullif(CAST({column.quoted} AS VARCHAR), '')"


def judged(
    source: str,
    layout: Layout,
    types: Mapping[str, str],
    *,
    numbered: bool = True,
    others: str = "",
) -> str:
    """Columns as our types, and what does not fit.

    Args:
        source: what stands behind FROM; with our names, and ``whole`` where ``others`` asks for it.
        layout: which types are ours.
        types: what DuckDB knows each column as. What is no text fits: it was checked before.
        numbered: whether ``source`` has a column ``record``.
        others: further WHEN … THEN of ``fault``; an empty fault is that of the whole record.
    """
    number = "record, " if numbered else ""
    # In layers, so that each value is cast once.
    casts = ", ".join(f"{_cast(name, layout, types)} AS {name}" for name in COLUMNS)
    told = ", ".join(f"{name} AS told_{name}" for name in COLUMNS)
    faults = others + "".join(
        f" WHEN told_{name} IS NOT NULL AND {name} IS NULL THEN '{name}'"
        for name in COLUMNS
        if types[name] == "VARCHAR" and layout.sql_type(name) != "VARCHAR"
    )
    fault = f"CASE{faults} END" if faults else "NULL::VARCHAR"
    said = " ".join(f"WHEN '{name}' THEN told_{name}::VARCHAR" for name in COLUMNS)
    whole = f"WHEN '' THEN left(whole, {LONGEST_VALUE})" if others else ""
    return (
        f"SELECT {number}{', '.join(COLUMNS)}, fault, CASE fault {whole} {said} END AS said"  # noqa: S608
        f" FROM (SELECT *, {fault} AS fault"
        f" FROM (SELECT * REPLACE ({casts}), {told} FROM {source}))"
    )


def parsed_lines(lines: str, layout: Layout, *, numbered: bool) -> str:
    """Each line parsed once, as texts; an object's or a list's text is its JSON."""
    number = "record, " if numbered else ""
    spec = literal(json.dumps(dict.fromkeys(COLUMNS, "VARCHAR")))
    texts = ", ".join(f"v.{name} AS {name}" for name in COLUMNS)
    source = (
        f"(SELECT {number}{texts}, line AS whole, v IS NULL AS is_none"  # noqa: S608
        f" FROM (SELECT {number}line, CASE WHEN starts_with(ltrim(line, {_BLANKS}), '{{')"
        f" THEN TRY(json_transform(line, {spec})) END AS v FROM {lines}))"
    )
    # Such a text begins like one; only then is the line asked again what it was.
    nested = (
        f" WHEN (starts_with({name}, '{{') OR starts_with({name}, '['))"
        f" AND json_type(whole, '/{name}') IN ('OBJECT', 'ARRAY') THEN '{name}'"
        for name in COLUMNS
        if layout.sql_type(name) == "VARCHAR"
    )
    return judged(
        source,
        layout,
        dict.fromkeys(COLUMNS, "VARCHAR"),
        numbered=numbered,
        others=" WHEN is_none THEN ''" + "".join(nested),
    )


def _places(fields: Sequence[str]) -> dict[str, str]:
    return {name: f"c{fields.index(name)}" for name in COLUMNS if name in fields}


def _cast(name: str, layout: Layout, types: Mapping[str, str]) -> str:
    sql_type = layout.sql_type(name)
    return name if types[name] == sql_type else f"TRY_CAST({name} AS {sql_type})"


def _read_csv(
    path: Path,
    layout: Layout,
    columns: Mapping[str, str],
    *,
    plain: PlainLines | None = None,
    skip: int = 0,
    errors: str = "ignore_errors=true",
) -> str:
    line_end = r"\n" if plain is None else plain.line_end
    longest, buffer = (
        (LONGEST_LINE_BYTES, BUFFER_BYTES) if plain is None else (LONGEST_PLAIN_BYTES, 2 << 20)
    )
    quote = literal('"' if layout.style == "quoted" else "")
    return (
        f"read_csv({literal(str(path))}, auto_detect=false, header=false, skip={skip},"
        f" delim={literal(layout.separator)}, quote={quote}, escape={quote},"
        f" new_line={literal(line_end)}, parallel=false, {errors},"
        f" max_line_size={longest}, buffer_size={buffer},"
        f" columns={{{_listed(columns.items())}}})"
    )


def _listed(columns: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"'{name}': '{sql_type}'" for name, sql_type in columns)
