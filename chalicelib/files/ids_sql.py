"""What is wrong with an id, asked in SQL: the same rules and words as ``core.subject.check_id``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import lru_cache

from chalicelib.core.subject import LONGEST_ID
from chalicelib.files.database import literal

_BLOCK = 256
_SURROGATES = range(0xD800, 0xE000)  # no UTF-8 text holds them, and RE2 does not know them


def id_problem(column: str, *, ascii_only: bool) -> str:
    """An expression that says what is wrong with an id, NULL when nothing is.

    ``ascii_only`` promises that no id holds anything beyond ASCII.
    """
    return (
        f"CASE WHEN {column} IS NULL OR {column} = '' THEN 'must be a non-empty string'"
        f" WHEN length({column}) > {LONGEST_ID} THEN 'must be at most {LONGEST_ID} characters'"
        f" WHEN {_holds_unprintable(column, ascii_only=ascii_only)}"
        " THEN 'must not contain control characters' END"
    )


def is_id(column: str, *, ascii_only: bool) -> str:
    """A condition that holds where ``id_problem`` is NULL, at a fraction of its cost."""
    return (
        f"({column} <> '' AND length({column}) <= {LONGEST_ID}"
        f" AND NOT {_holds_unprintable(column, ascii_only=ascii_only)})"
    )


def _holds_unprintable(column: str, *, ascii_only: bool) -> str:
    # Asked byte by byte, at three quarters of what a regular expression costs.
    beyond = f"{column} GLOB '*[! -~]*'"
    if ascii_only:
        return f"({beyond})"
    return f"({beyond} AND regexp_matches({column}, {literal(unprintable())}))"


@lru_cache(maxsize=1)
def unprintable() -> str:
    """A class of every character that ``str.isprintable`` refuses, as this Python knows Unicode."""
    ranges = ((first, last) for first, last in _runs() if first not in _SURROGATES)
    return "[" + "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in ranges) + "]"


def _runs() -> Iterator[tuple[int, int]]:
    first = None
    for begin in range(0, sys.maxunicode + 1, _BLOCK):
        block = "".join(map(chr, range(begin, begin + _BLOCK)))
        if block.isprintable() if first is None else _is_all_escaped(block, begin):
            continue
        for code, character in enumerate(block, begin):
            if not character.isprintable():
                first = code if first is None else first
            elif first is not None:
                yield first, code - 1
                first = None
    if first is not None:
        yield first, sys.maxunicode


def _is_all_escaped(block: str, begin: int) -> bool:
    """Whether ``repr`` escapes every character of a block: what it escapes cannot be printed."""
    escaped = len(r"\uffff" if begin < 0x10000 else r"\U0010ffff")
    return len(repr(block)) == len("''") + escaped * len(block)
