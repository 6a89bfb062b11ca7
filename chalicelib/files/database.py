"""DuckDB as a file is read with it: on disk, in little memory, and shut in its own directory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.core.errors import Broken
from chalicelib.files.unpack import FileRefused

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FETCH_ROWS = 2_000


def connect(
    workdir: Path, *, memory_mb: int, also: Sequence[Path] = (), ordered: bool = True
) -> DuckDBPyConnection:
    """Open a database of its own; it touches nothing outside of ``workdir``.

    Args:
        workdir: holds the database and what it spills.
        memory_mb: what it may hold before it spills.
        also: files elsewhere that it may read and write.
        ordered: whether what is copied stays in order although threads were many. With the one
            thread that we give it, it does anyway; it only takes more memory.
    """
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
            "preserve_insertion_order": ordered,
            "disabled_optimizers": "" if ordered else "filter_pushdown",
        },
    )
    connection.execute(f"SET allowed_directories=[{literal(str(workdir))}]")
    if also:
        paths = ", ".join(literal(str(path)) for path in also)
        connection.execute(f"SET allowed_paths=[{paths}]")
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
    yield from fetched(cursor.execute(query, parameters))


def fetched(executed: DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    """The rows of what was executed last, a few at a time."""
    while chunk := executed.fetchmany(_FETCH_ROWS):
        yield from chunk


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
