"""How a file is cut into columns, and what each column holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from chalicelib.files.numbering import UNIT_SEPARATOR, Style

FileFormat = Literal["csv", "jsonl", "parquet"]
# ``spelt`` is an amount that the export writes in a way of its own: text, unless it is typed.
ColumnType = Literal["text", "moment", "flag", "amount", "spelt", "whole", "number"]
MOST_COLUMNS = 500
# Four bytes for each character of the longest record, and its number. DuckDB would else read
# sixteen times that much at once, and hold it twice.
LONGEST_LINE_BYTES = 5 << 20
BUFFER_BYTES = 8 << 20
_SQL_TYPES: Mapping[ColumnType, str] = {
    "text": "VARCHAR",
    "moment": "VARCHAR",
    "flag": "BOOLEAN",
    "amount": "DECIMAL(24,8)",
    "spelt": "VARCHAR",
    # No BIGINT: a cast to it would round 2.7 to 3 unasked.
    "whole": "DECIMAL(24,8)",
    "number": "DOUBLE",
}
_WANTED: Mapping[ColumnType, str] = {
    "text": "text",
    "moment": "a date or a moment",
    "flag": "true or false",
    "amount": "a number such as 29.33",
    "spelt": "a number such as 29.33",
    "number": "a number such as 29.33",
    "whole": "a whole number",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is cut into columns.

    Attributes:
        format: CSV, one JSON object a line, or Parquet.
        columns: the type of each field that we know; others are text.
        names: our name for each column of the file, where it differs; columns that it does not
            name then keep out of the way of ours.
        required: fields without which the file is refused; of alternatives one is enough.
        delimiter: of a CSV; ``whitespace`` for aligned columns.
        header: whether a CSV names its columns.
        decimal: the decimal separator.
        identity: the field whose values are noted for rejected records, too.
        supplied: whether columns that we do not know mean something, too.
    """

    format: FileFormat
    columns: Mapping[str, ColumnType]
    names: Mapping[str | int, str]
    required: Sequence[Sequence[str]]
    delimiter: str = ","
    header: bool = True
    decimal: str = "."
    identity: str | None = None
    supplied: bool = False

    @property
    def style(self) -> Style:
        """How its records are cut out."""
        if self.format == "jsonl":
            return "lines"
        return "aligned" if self.delimiter == "whitespace" else "quoted"

    @property
    def separator(self) -> str:
        """What stands after the number of a record."""
        match self.style:
            case "lines":
                return UNIT_SEPARATOR
            case "aligned":
                return "\t"
            case "quoted":
                return self.delimiter

    def field_of(self, found: str | int) -> str:
        """Our name for a column of the file."""
        if self.names:
            return self.names.get(found, f"column {found}")
        return str(found)

    def sql_type(self, field: str) -> str:
        """What DuckDB reads a field as."""
        return _SQL_TYPES[self.columns.get(field, "text")]

    def wants(self, field: str) -> str:
        """What is wrong with a value that is not of its type."""
        return f"must be {_WANTED[self.columns.get(field, 'text')]}"
