"""Text to records: each has its number, and a broken one costs nothing but itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.files import numbering
from chalicelib.files.numbering import Numbered, Style, number_records
from chalicelib.files.rejects import Reject
from chalicelib.files.unpack import FileRefused

OPEN = "has a quote that is not closed, or stands within a value"


def numbered(
    folder: Path,
    text: str,
    *,
    style: Style = "quoted",
    delimiter: str = ",",
    header: bool = False,
) -> tuple[list[str], list[Reject], Numbered]:
    """The records as they are written, what was refused, and the sums."""
    plain, target = folder / "plain", folder / "numbered"
    plain.write_text(text, newline="")
    refused: list[Reject] = []
    sums = number_records(
        plain, target, style=style, delimiter=delimiter, header=header, refuse=refused.append
    )
    assert sums.refused == len(refused)
    return target.read_bytes().decode().splitlines(), refused, sums


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_records_are_counted_from_one_header_and_blank_lines_aside(
    tmp_path: Path, line_end: str
) -> None:
    """Whatever ends the lines, and whether or not the last one is ended."""
    text = line_end.join(("a,b", "", "1,2", "  ", "3,4"))

    records, refused, sums = numbered(tmp_path, text, header=True)

    assert records == ["1,1,2", "2,3,4"]
    assert refused == []
    assert sums == Numbered(header=["a", "b"], width=2, records=2, refused=0)


def test_a_quoted_value_may_hold_line_breaks_delimiters_and_quotes(tmp_path: Path) -> None:
    """One record over several lines is one record; its line breaks become plain ones."""
    _, refused, sums = numbered(tmp_path, '"a\r\n\r\nb",1\r\n"x,""y""",2\r\n', header=False)
    written = (tmp_path / "numbered").read_bytes().decode()

    assert written == '1,"a\n\nb",1\n2,"x,""y""",2\n'
    assert refused == []
    assert sums.records == 2


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ('"never closed,2', OPEN),
        ('"closed"too early,2', OPEN),
        ('1, "after a blank', OPEN),
        ('1,"x" y', OPEN),
    ],
)
def test_a_broken_quote_costs_its_own_line_alone(tmp_path: Path, broken: str, problem: str) -> None:
    """What follows is read as if nothing had happened, quoted line breaks included."""
    text = f'1,2\n{broken}\n3,4\n"5\n5",6\n'

    records, refused, sums = numbered(tmp_path, text)

    assert records == ["1,1,2", "3,3,4", '4,"5', '5",6']
    assert refused == [Reject(2, "", broken, problem)]
    assert sums.records == 4


def test_a_quote_within_a_value_is_a_character_like_any_other(tmp_path: Path) -> None:
    """Inches do not open a quotation."""
    records, refused, _ = numbered(tmp_path, 'TV 27",1\n2,a"b"c\n')

    assert records == ['1,TV 27",1', '2,2,a"b"c']
    assert refused == []


def test_a_record_that_is_too_long_is_refused_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line without end is skipped in pieces; only its beginning is shown."""
    monkeypatch.setattr(numbering, "LONGEST_RECORD", 5_000)
    text = "1,2\n" + "x" * 20_000 + '\n3,4\n"' + "y\n" * 3_000 + '",5\n6,7\n'

    records, refused, _ = numbered(tmp_path, text)

    assert refused[0] == Reject(2, "", "x" * 1_000, "is longer than 5000 characters")
    assert refused[1] == Reject(4, "", '"y', OPEN)
    assert records[:2] == ["1,1,2", "3,3,4"]
    assert records[-1].endswith(",6,7")


def test_a_quotation_longer_than_any_address_is_taken_for_a_lost_quote(tmp_path: Path) -> None:
    """The closing quote of a record far below must not swallow what lies between."""
    between = [f"{n},2" for n in range(numbering.MOST_QUOTED_LINES + 50)]
    text = "\n".join(('"lost,2', *between, '"fine",2'))

    records, refused, sums = numbered(tmp_path, text)

    assert [reject.record for reject in refused] == [1]
    assert len(records) == len(between) + 1
    assert sums.records == len(between) + 2


def test_aligned_columns_become_tabs_and_quotes_mean_nothing(tmp_path: Path) -> None:
    """Runs of blanks set columns apart."""
    records, refused, sums = numbered(
        tmp_path,
        ' 00004 0001  19970101\t2   29.33 \n\n5 "6 7 8 9\n',
        style="aligned",
        delimiter="\t",
    )

    assert records == ["1\t00004\t0001\t19970101\t2\t29.33", '2\t5\t"6\t7\t8\t9']
    assert refused == []
    assert sums.width == 5


def test_a_line_that_holds_our_own_separator_is_refused(tmp_path: Path) -> None:
    """JSON allows no control character, so nothing that is JSON is lost."""
    records, refused, _ = numbered(
        tmp_path, '{"a":"x\x1fy"}\n{}\n', style="lines", delimiter="\x1f"
    )

    assert records == ["2\x1f{}"]
    assert refused == [Reject(1, "", '{"a":"x\x1fy"}', "holds a control character")]


@pytest.mark.parametrize("header", ['"a,b', "a" * 200_000 + ",b"])
def test_a_header_that_cannot_be_read_refuses_the_file(tmp_path: Path, header: str) -> None:
    """Without its header no row means anything."""
    with pytest.raises(FileRefused, match="header"):
        numbered(tmp_path, header + "\n1,2\n", header=True)
