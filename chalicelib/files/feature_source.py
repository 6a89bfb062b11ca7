"""A features file as a relation: its customers and their features, and what is wrong with a row.

Every relation has the columns ``customer_id``, the features, ``consent_profiling``, ``fault`` (the
column whose value is not of its type, empty for a row that is none, NULL when all is well) and
``said`` (what stands there); where ``numbered``, also ``record``. The text of a CSV that DuckDB
cannot type leaves no row: it stands in ``reject_errors``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chalicelib.core.features import FEATURE_NAMES
from chalicelib.files.csv_rows import check_fields
from chalicelib.files.database import literal
from chalicelib.files.layout import BUFFER_BYTES, LONGEST_LINE_BYTES, Layout
from chalicelib.files.numbering import Numbered, header_of, number_records
from chalicelib.files.rejects import RejectSpool
from chalicelib.files.survey import PlainLines, survey
from chalicelib.files.unpack import FileRefused

CONSENT = "consent_profiling"
COLUMNS = ("customer_id", *FEATURE_NAMES, CONSENT)


@dataclass(frozen=True, slots=True)
class FeatureSource:
    """A file that is ready to be read.

    Attributes:
        relation: SELECT with the columns named above.
        numbered: whether it has the column ``record``; else its rows are the records in order,
            those in ``reject_errors`` left out.
        records: how many there are, good and bad.
        refused: how many of them could not be cut out, and are in the spool already.
        fields: of a CSV, its columns in order.
        ascii_only: whether no id can hold anything beyond ASCII.
        header_lines: how many lines stand before the first record.
    """

    relation: str
    numbered: bool
    records: int
    refused: int = 0
    fields: Sequence[str] = ()
    ascii_only: bool = False
    header_lines: int = 0


def plain_source(path: Path, layout: Layout) -> FeatureSource | None:
    """The text as it lies; None when it has to be cut first. Raises FileRefused for its header."""
    if layout.format == "csv":
        return _plain_csv(path, layout)
    plain = survey(path, quoted=False)
    if plain is None:
        return None
    return FeatureSource(_json_relation(path, layout, plain), numbered=False, records=plain.lines)


def cut_source(
    path: Path, layout: Layout, *, workdir: Path, rejects: RejectSpool
) -> FeatureSource:
    """Any text, cut into records with their numbers before them; raises FileRefused."""
    numbered_path = workdir / "numbered"
    numbered = number_records(
        path,
        numbered_path,
        style=layout.style,
        delimiter=layout.separator,
        header=layout.format == "csv",
        refuse=rejects.add,
    )
    fields: Sequence[str] = ()
    if layout.format == "jsonl":
        relation = _json_relation(numbered_path, layout, None)
    else:
        fields = _fields(numbered.header, layout)
        relation = _csv_relation(numbered_path, layout, fields, None)
    return FeatureSource(
        relation,
        numbered=True,
        records=numbered.records,
        refused=numbered.refused,
        fields=fields,
    )


def _plain_csv(path: Path, layout: Layout) -> FeatureSource | None:
    header = header_of(path, delimiter=layout.delimiter)
    plain = survey(path, quoted=True)
    if plain is None:
        return None
    fields = _fields(header, layout)
    return FeatureSource(
        _csv_relation(path, layout, fields, plain),
        numbered=False,
        records=plain.lines - 1,
        fields=fields,
        ascii_only=plain.ascii_only,
        header_lines=1,
    )


def _fields(header: Sequence[str] | None, layout: Layout) -> list[str]:
    fields = [layout.field_of(name) for name in header or ()]
    check_fields(fields, layout)
    return fields


def _csv_relation(
    path: Path, layout: Layout, fields: Sequence[str], plain: PlainLines | None
) -> str:
    columns = [f"'c{at}': '{layout.sql_type(field)}'" for at, field in enumerate(fields)]
    wanted = [
        f"c{fields.index(name)} AS {name}" if name in fields else f"NULL::BOOLEAN AS {name}"
        for name in COLUMNS
    ]
    if plain is None:
        columns.insert(0, "'record': 'BIGINT'")
        wanted.insert(0, "record")
    return (
        f"SELECT {', '.join(wanted)}, NULL::VARCHAR AS fault, NULL::VARCHAR AS said"
        f" FROM {_read_csv(path, layout.separator, '\"', columns, plain)}"
    )


def _json_relation(path: Path, layout: Layout, plain: PlainLines | None) -> str:
    """Each line parsed once, as texts; types are asked of the texts."""
    columns = ["'line': 'VARCHAR'"]
    number = ""
    if plain is None:
        columns.insert(0, "'record': 'BIGINT'")
        number = "record, "
    spec = literal("{" + ", ".join(f'"{name}": "VARCHAR"' for name in COLUMNS) + "}")
    faults = []
    typed = []
    for name in COLUMNS:
        text, sql_type = f"v.{name}", layout.sql_type(name)
        if sql_type == "VARCHAR":
            # An object's text begins like one; only then is the line asked again.
            faults.append(
                f"WHEN {text}[1] IN ('{{', '[')"
                f" AND json_type(line, '/{name}') IN ('OBJECT', 'ARRAY') THEN '{name}'"
            )
            typed.append(f"{text} AS {name}")
        else:
            faults.append(
                f"WHEN {text} IS NOT NULL AND TRY_CAST({text} AS {sql_type}) IS NULL THEN '{name}'"
            )
            typed.append(f"TRY_CAST({text} AS {sql_type}) AS {name}")
    fault = f"CASE WHEN v IS NULL THEN '' {' '.join(faults)} END"
    said = " ".join(f"WHEN '{name}' THEN v.{name}" for name in COLUMNS)
    return (
        f"SELECT {number}{', '.join(typed)}, {fault} AS fault,"
        f" CASE {fault} WHEN '' THEN line {said} END AS said"
        f" FROM (SELECT {number}line, CASE WHEN starts_with(ltrim(line, ' \t\r'), '{{')"
        f" THEN TRY(json_transform(line, {spec})) END AS v"
        f" FROM {_read_csv(path, layout.separator, '', columns, plain)})"
    )


def _read_csv(
    path: Path, separator: str, quote: str, columns: Sequence[str], plain: PlainLines | None
) -> str:
    header = plain is not None and quote
    return (
        f"read_csv({literal(str(path))}, auto_detect=false, header=false,"
        f" skip={int(bool(header))}, delim={literal(separator)}, quote={literal(quote)},"
        f" escape={literal(quote)}, new_line={literal(plain.line_end if plain else '\\n')},"
        f" parallel=false, store_rejects=true, rejects_limit=0,"
        f" max_line_size={LONGEST_LINE_BYTES}, buffer_size={BUFFER_BYTES},"
        f" columns={{{', '.join(columns)}}})"
    )


def check_keys(names: Sequence[str], layout: Layout) -> None:
    """Refuse JSON Lines of which no object has a field that is needed; raises FileRefused."""
    for alternatives in layout.required:
        if not any(name in names for name in alternatives):
            raise FileRefused.of("file", f"has no field {' or '.join(alternatives)}")
