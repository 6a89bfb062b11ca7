"""What the documentation says and the code could contradict: commands, tables, names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalicelib.api import answers
from chalicelib.api.schemas import DecisionRequest
from chalicelib.core.policy import policy_from_toml
from chalicelib.telemetry import METRICS
from ops.cli import main
from ops.operating import OperatingTable
from ops.places import ROOT
from ops.refusals import functions_of
from ops.template import resources_of
from tests.app.packaged import NAMES, Json

README = ROOT / "README.md"
OPERATIONS = ROOT / "docs" / "operations.md"
DECISIONS = ROOT / "docs" / "decisions"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PLACES = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|Users|usr|opt)/")


def table_under(page: Path, first_column: str) -> Iterator[list[str]]:
    """The rows of the one table of a page whose first column has this heading."""
    _, _, rest = page.read_text().partition(f"\n| {first_column} |")
    for line in rest.partition("\n\n")[0].splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def commands_of(page: Path) -> Iterator[str]:
    """Every call of ``python -m ops`` on a page, in a block or within a sentence."""
    text = page.read_text().replace("\\\n", " ")
    for match in re.finditer(r"python -m ops ([^`\n#)]+?)(?= -->|[`\n#)])", text):
        yield match[1].strip()


def figure(cell: str) -> int | None:
    """The number that a cell begins with."""
    match = re.match(r"[\d,]+", cell)
    return None if match is None else int(match[0].replace(",", ""))


def test_the_operating_table_that_people_read_is_the_one_that_is_asserted(
    table: OperatingTable,
) -> None:
    """Memory, timeout, disk, concurrency and visibility in the page are those of the file."""
    rows = {row[0].strip("`"): row[2:] for row in table_under(OPERATIONS, "function")}

    assert set(rows) == {name if name != "api_handler" else "APIHandler" for name in table}
    for name, row in table.items():
        said = rows["APIHandler" if name == "api_handler" else name]
        assert [figure(cell) for cell in said] == [
            row.memory_mb,
            row.timeout_seconds,
            row.ephemeral_mb,
            row.concurrency,
            row.visibility_seconds,
        ], name


def test_the_metrics_that_people_read_are_those_that_are_emitted(template: Json) -> None:
    """Each metric stands there with its dimension, and says whether an alarm watches it."""
    watched = {
        one["MetricName"]
        for _, one in resources_of(template, "AWS::CloudWatch::Alarm")
        if one["Namespace"] == "Segue"
    }
    rows = {row[0].strip("`"): row[1:] for row in table_under(OPERATIONS, "metric")}

    assert {name: row[0] or None for name, row in rows.items()} == {
        name: dimension for name, (_, dimension) in METRICS.items()
    }
    assert {name for name, row in rows.items() if row[1]} == watched


def test_the_call_in_the_readme_and_its_answer_are_real() -> None:
    """The request and the answer are of the described shape, under the policy that ships."""
    text = README.read_text()
    [request] = re.findall(r"-d '(\{.*?\})'\n```", text, re.DOTALL)
    [answer] = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    policy = policy_from_toml((ROOT / "policies" / "default.toml").read_text())

    asked = DecisionRequest.model_validate_json(request)
    told = answers.Decision.model_validate_json(answer)

    assert told.customer_id == asked.customer_id
    assert told.price is not None
    assert asked.cart is not None
    assert [line.sku for line in told.price.lines] == [line.sku for line in asked.cart.lines]
    assert policy.hash.startswith(told.policy.removesuffix("…"))


def test_alarms_are_counted_where_they_cost(template: Json) -> None:
    """The idle price names the number of alarms."""
    alarms = dict(resources_of(template, "AWS::CloudWatch::Alarm"))

    assert f" {len(alarms)} alarms" in README.read_text()


def test_every_handler_is_in_the_architecture_page(template: Json) -> None:
    """Whoever looks for a function finds where its work is done."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    functions = {"APIHandler", *NAMES.values()} - {"api_handler"}

    assert len(functions) == len(functions_of(template))
    assert [name for name in sorted(functions) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    """What a page tells a reader to type, the Makefile knows."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)(?:[A-Z_]+=\w+ )?make ([a-z0-9-]+)", page.read_text(), re.M))

    assert named - targets == set()


@pytest.mark.parametrize(
    "command", sorted({command for page in PAGES for command in commands_of(page)})
)
def test_every_command_that_is_named_is_taken(command: str) -> None:
    """Commands in the pages have the names and options of the real ones."""
    result = CliRunner().invoke(main, [*shlex.split(command), "--help"])

    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_place_on_one_machine(page: Path) -> None:
    """Paths in the pages are those of the checkout, and links lead to files that are there."""
    text = page.read_text()

    assert PLACES.findall(text) == []
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / link).exists(), link


def test_decisions_are_numbered_and_say_the_same_three_things() -> None:
    """Each page has its number in its title, and context, decision and consequences."""
    pages = sorted(DECISIONS.glob("*.md"))

    numbers = [int(page.name.partition("-")[0]) for page in pages]
    assert len(set(numbers)) == len(numbers)
    for number, page in zip(numbers, pages, strict=True):
        text = page.read_text()
        assert page.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number}. ")
        for part in ("Context", "Decision", "Consequences"):
            assert f"**{part}.**" in text, page.name
