"""A text read as it lies and the same text cut record by record: one result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from chalicelib.files import score_file as engine
from chalicelib.files.feature_source import FeatureSource, cut_source
from chalicelib.files.layout import FileFormat
from chalicelib.files.unpack import FileRefused
from tests.unit.files.scored import HEADER, Scored, score_text

_VALUES = st.one_of(
    st.sampled_from(
        ["", "1", "-3.5", "1e3", "nan", "inf", "-inf", " 7 ", "  ", "x", "1_0", "true"]
    ),
    st.sampled_from(
        ["false", '"5"', '"a,b"', '"a""b"', 'a"b', '"open', ' "sp"', '"a"b', '""', "'"]
    ),
    st.sampled_from(["é", "日本", "\u00ad", "\t", "\x0b", "\x1f", "\u2028", "c" * 129, "=1", "\\"]),
    st.floats(width=64).map(repr),
    st.integers(-(10**20), 10**20).map(str),
)
_IDS = st.one_of(st.sampled_from(["c-1", "c-2", "ü", '"c,3"']), _VALUES)
_GOOD = st.tuples(
    _IDS, *[st.sampled_from(["", "1", "2.5", "nan"])] * 5, st.sampled_from(["", "true"])
)
_ROWS = st.one_of(
    _GOOD,
    _GOOD,
    st.tuples(_IDS, *[_VALUES] * 6),
    st.lists(_VALUES, min_size=1, max_size=9),
)
_ENDS = st.sampled_from(["\n"] * 6 + ["\r\n", "\r", "\n\n", "\n \n"])
_FEW = settings(
    max_examples=max(25, settings.default.max_examples // 2) if settings.default else 25,
    deadline=None,
)


def both_ways(text: str, file_format: FileFormat) -> tuple[Scored | str, Scored | str]:
    """What the engine makes of a text, and what it makes of it when every record is cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "plain_sources", lambda path, layout: ())
        cut = _result(text, file_format)
    with pytest.MonkeyPatch.context() as patch:
        taken: list[str] = []

        def told(*given: Any, **options: Any) -> FeatureSource:
            taken.append("cut")
            return cut_source(*given, **options)

        patch.setattr(engine, "cut_source", told)
        engines_choice = _result(text, file_format)
    event("".join(taken) or "as it lies")
    return engines_choice, cut


def _result(text: str, file_format: FileFormat) -> Scored | str:
    try:
        return score_text(text, file_format=file_format)
    except FileRefused as refusal:
        return str(refusal)


def assert_alike(text: str, file_format: FileFormat) -> None:
    """The same refusal, or the same counts, scores and rejects, and every record accounted for."""
    one, other = both_ways(text, file_format)
    if isinstance(one, str) or isinstance(other, str):
        assert one == other
        return
    assert one.file == other.file
    assert one.told() == other.told()
    assert list(map(repr, one.scores)) == list(map(repr, other.scores))
    file = one.file
    assert file.records == file.scored + file.unscored.total() + len(one.rejects)
    assert len({each.record for each in one.rejects}) == len(one.rejects)


@_FEW
@given(
    rows=st.lists(_ROWS, max_size=6),
    ends=st.lists(_ENDS, min_size=7, max_size=7),
    windows=st.booleans(),
    last=st.booleans(),
)
def test_a_csv_means_the_same_whichever_way_it_is_read(
    rows: Sequence[Sequence[str]], ends: Sequence[str], windows: bool, last: bool
) -> None:
    """Whatever stands in it: scores, counts, and every reject by number, column, value, reason."""
    lines = [f"{HEADER},consent_profiling", *(",".join(row) for row in rows)]
    line_ends = ["\r\n" if windows else end for end in ends]
    text = "".join(line + end for line, end in zip(lines, line_ends, strict=False))

    assert_alike(text if last else text.rstrip("\r\n"), "csv")


_JSON_VALUES = st.one_of(
    st.none(),
    st.floats(allow_nan=False),
    st.integers(-(10**25), 10**25),
    st.booleans(),
    st.sampled_from(["", "1", " 2 ", "nan", "x", "{", "[1", "c-1", "ü", "\0", "\u00ad", "a" * 129]),
    st.sampled_from([[], [1], {}, {"a": 1}]),
)
_OBJECTS = st.fixed_dictionaries(
    {"customer_id": _JSON_VALUES | st.just("c-1")},
    optional={name: _JSON_VALUES for name in (*HEADER.split(",")[1:], "consent_profiling", "o")},
)
_FULL = st.fixed_dictionaries(
    {"customer_id": st.sampled_from(["c-1", "c-2", "ü", 7])}
    | {name: st.sampled_from([None, 1, 2.5, "3"]) for name in HEADER.split(",")[1:]}
)
_LINES = st.one_of(
    _FULL.map(json.dumps),
    _FULL.map(json.dumps),
    _OBJECTS.map(json.dumps),
    st.sampled_from(
        ["", " ", "{", "[]", "null", "5", '"s"', "{}", "\x1f", '{"customer_id":"a"} x']
    ),
    st.sampled_from(['{"customer_id":"a","customer_id":"b"}', ' {"customer_id": "w"} ', "{'a':1}"]),
    st.text(alphabet='{}[]",:a1\\ \t', max_size=12),
)


@_FEW
@given(lines=st.lists(_LINES, max_size=6), ends=st.lists(_ENDS, min_size=6, max_size=6))
def test_json_lines_mean_the_same_whichever_way_they_are_read(
    lines: Sequence[str], ends: Sequence[str]
) -> None:
    """The same for one object a line."""
    full = json.dumps(dict.fromkeys(HEADER.split(","), 1))
    text = "".join(line + end for line, end in zip(lines, ends, strict=False))

    assert_alike(f"{full}\n{text}", "jsonl")


@pytest.mark.parametrize(
    ("text", "file_format"),
    [
        (f'{HEADER}\n"c,1",1,1,1,1,1\nc-2,x,1,1,1,1\nc-3,1\n,1,1,1,1,1\n', "csv"),
        (f"{HEADER}\r\nü,1,1,1,1,1\r\nc-2,x,1,1,1,1\r\n", "csv"),
        (json.dumps(dict.fromkeys(HEADER.split(","), 1)) + "\n[]\n{}\n", "jsonl"),
    ],
)
def test_an_ordinary_text_is_read_as_it_lies_though_some_of_it_is_bad(
    text: str, file_format: FileFormat
) -> None:
    """Simple quotes, Windows' line ends and bad records are no reason to cut every record."""

    def refuse(*_: Any, **__: Any) -> FeatureSource:
        raise AssertionError("was cut")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "cut_source", refuse)
        scored = score_text(text, file_format=file_format)

    assert scored.file.scored >= 1
    assert len(scored.rejects) == scored.file.records - scored.file.scored


def test_more_faults_than_are_kept_are_cut_out() -> None:
    """Beyond ten thousand bad lines the text is cut, and each has its number all the same."""
    bad = "".join(f"c-{n},x,1,1,1,1\n" for n in range(10_001))

    scored = score_text(f"{HEADER}\nc,1,1,1,1,1\n{bad}")

    assert scored.file.scored == 1
    assert [each.record for each in scored.rejects] == list(range(2, 10_003))
