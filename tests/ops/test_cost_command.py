"""``python -m ops cost``: every flow is measured, every price is used, the totals add up."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from ops.cli import main
from ops.cost.account import Account, account, figures
from ops.cost.assumptions import Assumptions
from ops.cost.plan import Wanted, plan
from ops.cost.plots import plot
from ops.cost.prices import PRICED, PRICES, read_prices
from ops.cost.telling import tell

pytestmark = pytest.mark.slow
TOTALS = {
    "million_decisions",
    "million_events",
    "million_rows_scored",
    "million_mails",
    "idle_month",
    "hundred_million",
}


@pytest.fixture(scope="module")
def told() -> Account:
    """One account of the smallest sample."""
    return account(read_prices(), sample=45, wanted=Wanted(), assumptions=Assumptions())


def test_every_price_is_used(told: Account) -> None:
    """A row that no bill asks for would be a row that somebody forgot to ask for."""
    bills = [*told.millions.values(), *told.kept.values(), told.idle, told.plan.bill]
    used = {line.price_id for bill in bills for line in bill.lines}
    elsewhere = {"lambda.gb_second.arm64", "cloudwatch.metric_month"}

    assert used == PRICED - elsewhere
    assert told.metrics_month == pytest.approx(0.30 * told.metrics)


def test_a_decision_is_one_read_and_one_write(told: Account) -> None:
    """What plans nothing is one put, beside its part of the log; both are told apart."""
    plain = told.ones["decisions that plan nothing"]
    planned = told.ones["decisions that plan something"]

    assert 2 < plain.calls < 2.3
    assert plain.of + planned.of == told.ones["decisions"].of
    assert plain.now["dynamodb.write_unit"] < planned.now["dynamodb.write_unit"]
    # A record below 1 KB, its entry in ``by_subject``, and a little of the hour's counts.
    assert plain.now["dynamodb.write_unit"] == pytest.approx(2.1, abs=0.2)
    assert plain.now["s3.put"] > 0
    assert plain.now["apigateway.rest_request"] == 1


def test_the_mean_lies_between(told: Account) -> None:
    """The sample's mean is made of both kinds of decision."""
    plain, mean, planned = (
        told.millions[name].dollars
        for name in ("decisions that plan nothing", "decisions", "decisions that plan something")
    )

    assert plain < mean < planned


def test_a_mail_is_posted_once_and_heard_of(told: Account) -> None:
    """One mail of SES, and a publish for "send", "delivery" and the opens that are assumed."""
    mail = told.ones["mails"].now

    assert mail["ses.mail"] == 1
    assert mail["sns.publish"] == pytest.approx(2.4)
    assert told.millions["mails"].by_service["SES"] == pytest.approx(100)


def test_scoring_a_file_of_features_writes_nothing(told: Account) -> None:
    """It is a pass over a file, and costs a thousandth of writing profiles."""
    scored = {line.price_id for line in told.millions["rows of a features file"].lines}

    assert not any(name.startswith("dynamodb") for name in scored)
    assert figures(told)["million_rows_scored"] < figures(told)["million_rows_profiled"] / 100


def test_an_order_is_three_units(told: Account) -> None:
    """Two in a transaction, and its entry in ``by_owner``."""
    assert told.work.order_write_units == pytest.approx(3)
    units = dict(told.work.customer_write_units)
    assert units.pop("control") < 0.3  # the hour's counts, a batch at a time
    assert set(units) == {"profiles", "decisions", "effects"}


def test_the_totals_are_those_of_the_bills(told: Account) -> None:
    """What is printed as JSON is what the tables add up to."""
    said = figures(told)

    assert said.keys() >= TOTALS
    assert said["idle_month"] == pytest.approx(told.idle.dollars, abs=1e-3)
    assert said["hundred_million"]["dollars"] == pytest.approx(told.plan.bill.dollars, abs=0.01)
    assert said["hundred_million"]["first_quota"] == told.plan.uses[0].quota.id
    json.dumps(said)


def test_a_person_reads_every_service(told: Account) -> None:
    """The tables name each service that costs anything."""
    recording = Console(record=True, width=160, file=io.StringIO())
    tell(told, recording)
    text = recording.export_text()

    for service, dollars in told.plan.bill.by_service.items():
        assert dollars < 0.01 or service in text
    assert f"${told.idle.dollars:.2f}" in text


def test_pictures_are_the_same_each_time(told: Account, tmp_path: Path) -> None:
    """Equal accounts give equal bytes, without a date."""
    first, second = plot(told, tmp_path / "a"), plot(told, tmp_path / "b")

    assert [path.name for path in first] == ["cost-million.svg", "cost-idle.svg", "cost-plan.svg"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert b"<dc:date>" not in one.read_bytes()


def test_arm_takes_its_own_row(told: Account) -> None:
    """The same plan on the other architecture is billed by the other price alone."""
    arm = plan(Wanted(architecture="arm64"), told.work, told.prices)
    seconds = {line.price_id: line.quantity for line in told.plan.bill.lines}
    billed = {line.price_id for line in arm.bill.lines if line.price_id.startswith("lambda.gb")}

    assert "lambda.gb_second.arm64" in billed
    saved = told.prices.dollars("lambda.gb_second.x86_64", 1) - told.prices.dollars(
        "lambda.gb_second.arm64", 1
    )
    own = (
        seconds["lambda.gb_second.x86_64"]
        - told.work.other_units["lambda.gb_second.x86_64"] * told.plan.wanted.customers
    )
    assert told.plan.bill.dollars - arm.bill.dollars == pytest.approx(own * saved)


def test_a_price_that_is_missing_ends_the_command(tmp_path: Path) -> None:
    """The row is named, before anything is measured."""
    table = tmp_path / "prices.toml"
    table.write_text(PRICES.read_text().replace('id = "ses.mail"', 'id = "ses.mial"'))

    result = CliRunner().invoke(main, ["cost", "--prices", str(table)])

    assert result.exit_code == 1
    assert "ses.mial is not one that is asked for" in result.output
