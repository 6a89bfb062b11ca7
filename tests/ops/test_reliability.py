"""The comparison: what it counts, and that the document says what a run gives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.comparison.report import BEGIN, END, closing_line, document, write_section
from ops.comparison.scenarios import SCENARIOS, SPELL, Scenario
from ops.comparison.trial import Bench, Comparison, Tally, bench, play, posts_for_one_attempt
from ops.reliability import DOCUMENT
from ops.ses.script import SERVER_ERROR, Close, Fault, Hang

QUICK = [scenario for scenario in SCENARIOS if not isinstance(scenario.fault, Hang)]
CELL = re.compile(r"(\d+) / (\d+) / (\d+) \((\d+)\)")


@pytest.fixture(scope="module")
def everybody() -> Iterator[Bench]:
    """The contenders, at one SES."""
    with bench() as made:
        yield made


@pytest.fixture(scope="module")
def written() -> dict[str, dict[str, str]]:
    """The table of the document: cells by title and contender."""
    lines = DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0].splitlines()
    rows = [[each.strip() for each in line.strip("|").split("|")] for line in lines if "|" in line]
    header = rows[0][1:]
    titles = {each.title for each in SCENARIOS}
    return {row[0]: dict(zip(header, row[1:], strict=True)) for row in rows if row[0] in titles}


def numbers(written_cell: str) -> list[int]:
    """Duplicates, lost, in doubt and requests, as a cell tells them."""
    found = CELL.fullmatch(written_cell)
    assert found is not None
    return [int(each) for each in found.groups()]


def scenario(title: str) -> Scenario:
    """A scenario by its title."""
    return next(each for each in SCENARIOS if each.title == title)


@pytest.mark.parametrize("scenario", QUICK, ids=lambda each: each.title)
def test_the_document_says_what_a_run_gives(
    everybody: Bench, written: dict[str, dict[str, str]], scenario: Scenario
) -> None:
    """Each cell of docs/reliability.md is, mail for mail, what playing its scenario gives."""
    mails = numbers(written["nothing goes wrong"]["plain boto3"])[-1]  # one request for each
    for contender in everybody.contenders:
        one = play(everybody, contender, scenario, mails=1)

        told = numbers(written[scenario.title][contender.name])
        counted = (one.duplicates, one.lost, one.in_doubt, one.posts)
        assert told == [count * mails for count in counted]


def test_the_document_names_every_scenario(written: dict[str, dict[str, str]]) -> None:
    """No scenario is left out of the document, the slow ones included."""
    assert {each.title for each in SCENARIOS} == set(written)


def test_segue_sends_no_marketing_mail_twice(written: dict[str, dict[str, str]]) -> None:
    """In no scenario, slow ones included, does a marketing mail go out twice."""
    twice = {title: numbers(cells["Segue, marketing"])[0] for title, cells in written.items()}

    assert twice == dict.fromkeys(written, 0)


def test_segue_sends_a_transactional_mail_at_most_twice(
    written: dict[str, dict[str, str]],
) -> None:
    """Never more than one duplicate of a mail, and none is lost but where both posts failed."""
    mails = numbers(written["nothing goes wrong"]["plain boto3"])[-1]

    for title, cells in written.items():
        duplicates, lost, _, _ = numbers(cells["Segue, transactional"])
        assert duplicates <= mails
        assert lost == (mails if title == "500, not accepted" else 0)


@pytest.mark.parametrize("fault", [SERVER_ERROR, Close()], ids=str)
def test_one_attempt_is_one_post_where_plain_boto3_makes_three(
    everybody: Bench, fault: Fault
) -> None:
    """SES accepts and then fails: Segue posts once, plain boto3 three times."""
    posts = {
        each.name: posts_for_one_attempt(everybody, each, fault) for each in everybody.contenders
    }

    assert posts == {
        "plain boto3": SPELL,
        "Powertools": SPELL,
        "Powertools, SDK retries off": 1,
        "Segue, marketing": 1,
        "Segue, transactional": 1,
    }


def test_powertools_helps_against_repeats_and_not_against_lost_answers(everybody: Bench) -> None:
    """The comparison is fair: where Powertools protects, the table says so."""
    powertools = everybody.contenders[1]

    for title, duplicates in (
        ("the queue delivers twice", 0),
        ("two workers at once", 0),
        ("accepted, then 500, once", 1),
        ("the worker dies after SES accepted", 1),
    ):
        tally = play(everybody, powertools, scenario(title), mails=1)
        assert tally.duplicates == duplicates


def test_a_section_replaces_only_itself(tmp_path: Path) -> None:
    """Writing again changes nothing, and what others wrote into the document stays."""
    path = tmp_path / "reliability.md"
    table: Comparison = {"nothing goes wrong": {"Segue": Tally(3, 3, 0, 0, 0)}}
    section = document(table, {"500": {"Segue": 1}}, mails=3)
    path.write_text("# Reliability\n\nBy hand.\n")

    write_section(section, path)
    path.write_text(path.read_text() + "\n## After\n")
    first = path.read_text()
    write_section(section, path)

    assert path.read_text() == first
    assert first.startswith("# Reliability\n\nBy hand.\n")
    assert first.endswith("## After\n")


def test_the_closing_line_adds_up() -> None:
    """The last line is JSON: sums by contender, and the most requests for one attempt."""
    table: Comparison = {
        "a": {"Segue": Tally(3, 3, 0, 0, 3)},
        "b": {"Segue": Tally(3, 5, 1, 2, 0)},
    }

    line = closing_line(table, {"500": {"Segue": 1}, "closed": {"Segue": 2}})

    assert json.loads(line) == {
        "Segue": {
            "mails": 6,
            "posts": 8,
            "duplicates": 1,
            "lost": 2,
            "in_doubt": 3,
            "posts_for_one_attempt": 2,
        }
    }
