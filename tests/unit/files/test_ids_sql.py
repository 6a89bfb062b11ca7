"""Ids as SQL judges them."""

import sys

import duckdb
import pytest

from chalicelib.core import subject
from chalicelib.files.ids_sql import id_problem, is_id


@pytest.mark.parametrize("ascii_only", [False, True])
def test_every_character_is_judged_as_python_judges_it(ascii_only: bool) -> None:
    """Alone, at the end, and in a text that DuckDB keeps elsewhere; and so are the lengths."""
    last = 0x7F if ascii_only else sys.maxunicode
    characters = [chr(at) for at in range(1, last + 1) if not 0xD800 <= at < 0xE000]
    longest = "a" * subject.LONGEST_ID
    ids = [
        *(form.format(each) for each in characters for form in ("{}", "c-1{}", "{}a longer one")),
        *("", "a", longest, longest + "a"),
    ]
    conditions = (
        is_id("id", ascii_only=ascii_only),
        f"({id_problem('id', ascii_only=ascii_only)}) IS NULL",
    )

    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE given AS SELECT unnest($ids) AS id", {"ids": ids})
        taken = connection.execute(
            f"SELECT id, {', '.join(conditions)} FROM given ORDER BY rowid"  # noqa: S608
        ).fetchall()

    assert taken == [(each, subject.is_id(each), subject.is_id(each)) for each in ids]
