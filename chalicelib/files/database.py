"""DuckDB as a file is read with it: on disk, in little memory, and shut in its own directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.core.errors import Broken
from chalicelib.files.unpack import FileRefused

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FETCH_ROWS = 2_000


def connect(workdir: Path, *, memory_mb: int) -> DuckDBPyConnection:
    """Open a database of its own; it reads and writes nothing outside of ``workdir``."""
    import duckdb  # noqa: PLC0415  (0.2 s, and only for files)

    connection = duckdb.connect(
        str(workdir / "rows.duckdb"),
        config={
            "threads": 1,
            "memory_limit": f"{memory_mb}MB",
            "temp_directory": str(workdir / "spill"),
            "extension_directory": str(workdir / "extensions"),
            "home_directory": str(workdir),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    connection.execute(f"SET allowed_directories=[{literal(str(workdir))}]")
    connection.execute("SET enable_external_access=false")
    connection.execute("SET lock_configuration=true")
    return connection


@contextmanager
def translated() -> Iterator[None]:
    """Let nothing but our own errors out of the block."""
    import duckdb  # noqa: PLC0415

    try:
        yield
    except duckdb.OutOfMemoryException:
        raise Broken("DuckDB ran out of memory") from None
    except duckdb.IOException:
        raise Broken("DuckDB could not use its files") from None
    except duckdb.Error as error:
        # Its text quotes the file; the class says enough.
        raise FileRefused.of("file", f"cannot be read ({type(error).__name__})") from None


def stream(
    connection: DuckDBPyConnection, query: str, parameters: Any = None
) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, a few at a time, beside other queries of the same connection."""
    cursor = connection.cursor()
    cursor.execute(query, parameters)
    while chunk := cursor.fetchmany(_FETCH_ROWS):
        yield from chunk


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
