"""``python -m ops revoke``: codes that leaked are stopped, one by one or by action."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import boto3
import pytest
from click.testing import CliRunner, Result

from chalicelib.aws.store import DynamoStore
from chalicelib.core.coupons import reserve, state_of
from chalicelib.core.kinds import COUPON, LIVE_OFFER
from chalicelib.core.offers import Coupon
from chalicelib.core.storage import AtVersion, Put
from chalicelib.core.subject import customer, guest
from ops.cli import main
from ops.template import read_template
from tests.coupon_makers import CODE, OTHER_CODE, WINBACK, coupon, issue
from tests.stack import create_tables

DAY_SECONDS = 86_400
FOREIGN = "YYY0119XYZ0K"


def fresh(code: str, subject: str, *, action: str = WINBACK) -> Coupon:
    """A code that is good for a week by the clock on the wall."""
    made = coupon(code, subject=guest(subject) if subject.startswith("g") else customer(subject))
    until = int(time.time()) + 7 * DAY_SECONDS
    return replace(made, offer=replace(made.offer, action=action, expires_at=until))


@pytest.fixture
def store(aws: None) -> DynamoStore:
    """A stage with three codes: a customer's, a guest's, and one of another action."""
    tables = create_tables(boto3.client("dynamodb"))
    outputs = {name: "-" for name in read_template()["Outputs"]}
    outputs |= {f"{name.title()}Table": table for name, table in tables.items()}
    template = {
        "Resources": {"Nothing": {"Type": "AWS::SNS::Topic", "Properties": {}}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    boto3.client("cloudformation").create_stack(
        StackName="segue-dev", TemplateBody=json.dumps(template)
    )
    client = boto3.client("dynamodb")
    store = DynamoStore(lambda: client, tables=tables)
    issue(
        store,
        fresh(CODE, "c-1"),
        fresh(OTHER_CODE, "g-1"),
        fresh(FOREIGN, "c-2", action="thanks-free-shipping"),
    )
    return store


def run(*arguments: str, answer: str | None = None) -> Result:
    """Type the command."""
    return CliRunner().invoke(main, ["revoke", *arguments], input=answer)


def counted(result: Result) -> dict[str, int]:
    """The line of JSON."""
    counts: dict[str, int] = json.loads(
        [line for line in result.stdout.splitlines() if line.startswith("{")][-1]
    )
    return counts


def states(store: DynamoStore) -> list[str]:
    """How the three codes stand."""
    now = int(time.time())
    keys = [COUPON.key(code) for code in (CODE, OTHER_CODE, FOREIGN)]
    found = store.read(keys, now=now)
    coupons = [found.value(key) for key in keys]
    return [state_of(each, now=now) for each in coupons if each is not None]


def test_a_code_is_taken_back_as_somebody_wrote_it_down(store: DynamoStore) -> None:
    """Once; the second time there is nothing to do, and other codes are left alone."""
    spelt = f"{CODE[:4].lower()}-{CODE[4:8]}-{CODE[8:]}"

    counts = [counted(run(spelt, "--reason", "leaked")) for _ in range(2)]

    assert counts == [{"revoked": 1}, {"revoked_before": 1}]
    assert states(store) == ["revoked", "live", "live"]
    live = LIVE_OFFER.key(customer("c-1").key, WINBACK)
    marked = store.read([live], now=int(time.time())).value(live)
    assert marked is not None
    assert (marked.spent, marked.revoked) == (True, True)


def test_an_unknown_code_is_an_error_and_the_others_are_done(store: DynamoStore) -> None:
    """Whoever misspelt one at night must see it."""
    result = run("000000000000", OTHER_CODE, "--reason", "leaked")

    assert result.exit_code == 1
    assert counted(result) == {"code_unknown": 1, "revoked": 1}
    assert states(store) == ["live", "revoked", "live"]


def test_every_code_of_an_action(store: DynamoStore) -> None:
    """After a yes: live ones and those in carts, of this action alone."""
    key, now = COUPON.key(CODE), int(time.time())
    stored = store.read([key], now=now).stored(key)
    assert stored is not None
    held = reserve(stored.value, order_id="o-1", amount_minor=5, budgeted=False, now=now)
    store.write([Put(key, held, AtVersion(stored.version))], now=now)

    refused = run("--action", WINBACK, "--reason", "wrong value", answer="n\n")
    assert (refused.exit_code, states(store)) == (1, ["reserved", "live", "live"])
    assert "revoke 2 codes of winback-10?" in refused.output

    result = run("--action", WINBACK, "--reason", "wrong value", "--yes")

    assert counted(result) == {"revoked": 2}
    assert states(store) == ["revoked", "revoked", "live"]
    assert counted(run("--action", WINBACK, "--reason", "again", "--yes")) == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--reason", "leaked"],
        [CODE, "--action", WINBACK, "--reason", "leaked"],
        [CODE],
        [CODE, "--reason", ""],
        [CODE, "--reason", "two\nlines"],
    ],
    ids=["nothing", "both", "no reason", "an empty reason", "two lines"],
)
def test_what_is_not_clear_is_not_done(store: DynamoStore, arguments: list[str]) -> None:
    """A usage error, before anything is looked up."""
    result = run(*arguments)

    assert result.exit_code == 2
    assert states(store) == ["live", "live", "live"]


def test_without_a_stage_it_says_so(aws: None) -> None:
    """One line that names the stack."""
    result = run(CODE, "--reason", "leaked")

    assert result.exit_code == 1
    assert "segue-dev" in result.output
