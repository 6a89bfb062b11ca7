"""Ids as SQL judges them."""

import sys

import duckdb
import pytest

from chalicelib.core import subject
from chalicelib.files.ids_sql import id_problem, is_id

# Alone, at the end, and in a text that DuckDB does not keep in its row.
FORMS = {"{}": "id", "c-1{}": "'c-1' || id", "{} is a longer one": "id || ' is a longer one'"}


def conditions(*, ascii_only: bool) -> list[str]:
    """Both ways to ask whether ``id`` is one."""
    told = id_problem("id", ascii_only=ascii_only)
    return [is_id("id", ascii_only=ascii_only), f"({told}) IS NULL"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ascii_only", [False, True])
def test_every_character_is_judged_as_python_judges_it(form: str, ascii_only: bool) -> None:
    """Whether it can be printed, as this Python knows Unicode."""
    last = 0x7F if ascii_only else sys.maxunicode
    expected = [
        at
        for at in range(1, last + 1)
        if not 0xD800 <= at < 0xE000 and subject.is_id(form.format(chr(at)))
    ]

    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE given AS SELECT code, {FORMS[form]} AS id FROM (SELECT code,"  # noqa: S608
            " chr(code::INTEGER) AS id FROM range(1, $last + 1) AS every(code)"
            " WHERE code NOT BETWEEN 55296 AND 57343)",
            {"last": last},
        )
        for condition in conditions(ascii_only=ascii_only):
            query = f"SELECT code FROM given WHERE {condition}"  # noqa: S608
            taken = connection.execute(query).fetchnumpy()["code"].tolist()

            assert len(taken) == len(expected)
            assert set(taken) == set(expected)


@pytest.mark.parametrize("ascii_only", [False, True])
def test_lengths_are_judged_as_python_judges_them(ascii_only: bool) -> None:
    """Empty ones, the longest, and one character more."""
    ids = [character * length for character in ("a", "é")[: 2 - ascii_only] for length in (0, 128)]
    ids += ["a" * 129, "é" * 129][: 2 - ascii_only]

    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE given AS SELECT unnest($ids) AS id", {"ids": ids})
        judged = ", ".join(conditions(ascii_only=ascii_only))
        taken = connection.execute(f"SELECT id, {judged} FROM given").fetchall()  # noqa: S608

    assert sorted(taken) == sorted((each, *[subject.is_id(each)] * 2) for each in ids)
