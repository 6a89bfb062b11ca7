"""``python -m ops simulate``: who changes, what it costs, and what may be said of groups."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chalicelib.core.canonical import canonical_json
from chalicelib.core.comparison import deciles
from chalicelib.core.decide import decide
from chalicelib.core.policy import policy_from_toml
from chalicelib.core.record import build_record
from chalicelib.core.subject import customer
from chalicelib.core.trial import Outcome, outcome_of
from ops.simulate import simulate
from ops.simulation.comparison import compare
from ops.simulation.parity import parity, read_attribute
from tests.loopback import Bytes, Loopback, Reply, Request
from tests.storefront import open_storefront
from tests.unit.core.situations import POLICIES, buyer, checkout, shipped_rules
from tests.unit.core.test_engagement_conditions import policy_with, rules_of

TEXT = (POLICIES / "default.toml").read_text()
NOW = shipped_rules()


def run(tmp_path: Path, *arguments: str) -> Result:
    """The command, with its pictures beside the test where it is not told to draw none."""
    drawn = () if "--no-plots" in arguments else ("--plots", str(tmp_path / "plots"))
    return CliRunner().invoke(simulate, [*arguments, *drawn])


def figures_of(result: Result) -> dict[str, Any]:
    """The last line, which is JSON."""
    assert result.exit_code == 0, result.output
    figures: dict[str, Any] = json.loads(result.output.splitlines()[-1])
    return figures


@pytest.fixture
def deeper(tmp_path: Path) -> Path:
    """The shipped policy with a deeper discount for those who lapse."""
    path = tmp_path / "new.toml"
    path.write_text(TEXT.replace("discount_basis_points = 500", "discount_basis_points = 900"))
    return path


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """Three customers: one lapsing, one faithful, one long gone."""
    rows = ["order_id,customer_id,ordered_at,quantity,currency,unit_price"]
    rows += [f"a-{n},ann,2026-0{n}-01T00:00:00Z,1,USD,20.00" for n in range(1, 7)]
    rows += [f"b-{n},bob,2026-1{n % 2}-0{n + 1}T00:00:00Z,1,USD,30.00" for n in range(8)]
    rows += ["c-1,cy,2025-01-01T00:00:00Z,1,USD,10.00"]
    path = tmp_path / "orders.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Two recorded decisions, as the decision log has them."""
    lines = []
    for subject, days in (("c-1", 100), ("c-2", 5)):
        situation = checkout(
            subject=customer(subject), facts=buyer(silent_days=days, subject=customer(subject))
        )
        decision = decide(
            situation,
            policy=NOW.policy,
            jurisdictions=NOW.jurisdictions,
            scorer=NOW.scorer,
            code_for=lambda effect: effect,
        )
        record = build_record(
            situation,
            decision,
            policy=NOW.policy,
            jurisdictions_hash=NOW.jurisdictions_hash,
            scorer=NOW.scorer,
            correlation_id="r-1",
        )
        lines.append(canonical_json(record).decode())
    path = tmp_path / "decisions.jsonl"
    path.write_text("\n".join(lines) + "\n\n")
    return path


def test_the_same_policy_changes_nobody(tmp_path: Path, orders: Path) -> None:
    """What is simulated against itself comes out the same, everywhere."""
    path = tmp_path / "same.toml"
    path.write_text(TEXT)

    figures = figures_of(run(tmp_path, "--policy", str(path), "--on", str(orders), "--no-plots"))

    assert figures["policy"] == figures["against"] == policy_from_toml(TEXT).hash
    assert (figures["cases"], figures["changed"]) == (6, 0)
    assert figures["before"] == figures["after"]


def test_a_file_of_orders_is_decided_at_each_placement(
    tmp_path: Path, deeper: Path, orders: Path
) -> None:
    """Each customer at the checkout with a usual cart, and by mail; pictures are drawn."""
    result = run(tmp_path, "--policy", str(deeper), "--on", str(orders), "--as-of", "2026-11-20")
    figures = figures_of(result)

    assert figures["cases"] == 6
    assert sum(each["cases"] for each in figures["segments"].values()) == 6
    assert sum(each["changed"] for each in figures["segments"].values()) == figures["changed"]
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        "changed.png",
        "actions.png",
        "discounts.png",
    }


def test_everything_is_told_by_segment(tmp_path: Path, deeper: Path, records: Path) -> None:
    """Actions, tiers, law and the depth of prices: of all, and of every segment."""
    result = run(tmp_path, "--policy", str(deeper), "--on", str(records), "--no-plots")

    figures = figures_of(result)
    for title in ("Actions", "Price tiers", "Law: ", "Taken off the published price"):
        told = result.output.split(title, 1)[1].split("\n\n", 1)[0]
        named = {line.split()[0] for line in told.splitlines() if line.strip()}
        assert {"(all)", *figures["segments"]} <= named, title


def test_recorded_decisions_are_decided_again(tmp_path: Path, deeper: Path, records: Path) -> None:
    """The packaged model decides them: same situations, other policy."""
    arguments = ("--policy", str(deeper), "--on", str(records), "--no-plots")
    figures = figures_of(run(tmp_path, *arguments))

    assert figures["cases"] == 2


def test_discounts_and_offers_are_added_up() -> None:
    """By hand: 9 % instead of 5 % of 20.00, and ten percent off what is left."""
    new = policy_from_toml(
        TEXT.replace("discount_basis_points = 500", "discount_basis_points = 900")
    )
    nobody_held_out = new.model_copy(update={"holdout": NOW.policy.holdout})
    found = compare([checkout()], before=NOW, after=rules_of(nobody_held_out))

    [(old, fresh)] = found.outcomes
    assert (old.base_minor, old.price_discount_minor, old.offers_minor) == (
        2000,
        100,
        {"winback-10": 190},
    )
    assert (fresh.price_discount_minor, fresh.offers_minor) == (180, {"winback-10": 182})
    after = found.figures()["after"]
    assert after["discount_minor"] == 362
    assert after["expected_discount_minor"] == round(180 + 0.12 * 182)
    assert found.figures()["changed"] == 1


def test_caps_budgets_and_guardrails_are_counted() -> None:
    """What a limit refuses, what a budget would burn, and where a floor stopped a price."""
    limited = outcome_of(checkout(limited={"winback-10": "limit_reached"}), NOW)
    policy = policy_with(
        {
            "offer": {
                "kind": "amount_off",
                "value": 300,
                "valid_days": 5,
                "limits": {"budget_minor": 1000},
            }
        }
    )
    found = compare([checkout()], before=NOW, after=rules_of(policy)).figures()["after"]

    assert limited.capped == ("winback-10: limit_reached",)
    assert found["budgets"] == {"a-0": {"if_all_are_used_minor": 300, "budget_minor": 1000}}
    assert found["law"] == {"discount_only, tier_fits": 1}


def test_deciles_of_what_is_taken_off() -> None:
    """Eleven figures from least to most, whatever the number of carts."""
    assert deciles(Counter()) == []
    assert deciles(Counter({500: 1})) == [0.05] * 11
    assert deciles(Counter(n * 1_000 for n in range(11))) == [n / 10 for n in range(11)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--on", "decisions"], "--on decisions needs --stage"),
        (["--on", "nowhere.csv"], "No such file"),
        (["--on", "{orders}", "--audit", "x.csv"], "go together"),
        (["--on", "{orders}", "--audit", "nowhere.csv", "--attribute", "group"], "cannot be read"),
        (["--on", "{orders}", "--audit", "{orders}", "--attribute", "group"], "audit.group"),
        (["--on", "{orders}", "--as-of", "2020-01-01"], "holds nobody to decide for"),
        (["--on", "{orders}", "--record", "ftp://x"], "needs the URL of a stage"),
        (["--on", "{orders}", "--record", "http://127.0.0.1:1"], "needs a key"),
        (["--on", "{broken}"], "line 2"),
    ],
)
def test_what_cannot_be_simulated_is_named(
    tmp_path: Path, deeper: Path, orders: Path, records: Path, arguments: list[str], words: str
) -> None:
    """Each in words that say what to do; nothing is recorded."""
    broken = tmp_path / "broken.jsonl"
    broken.write_text(records.read_text().splitlines()[0] + "\n{}\n")
    given = [each.format(orders=orders, broken=broken) for each in arguments]

    result = run(tmp_path, "--policy", str(deeper), *given, "--no-plots")

    assert result.exit_code != 0
    assert words in f"{result.output} {result.exception}"


def test_a_policy_that_is_wrong_is_named_by_path(tmp_path: Path, orders: Path) -> None:
    """As the interface would refuse it."""
    path = tmp_path / "wrong.toml"
    path.write_text(TEXT.replace('segments = ["at_risk"]\nmin_churn', 'segmnts = ["x"]\nmin_churn'))

    result = run(tmp_path, "--policy", str(path), "--on", str(orders))

    assert "segmnts" in str(result.exception)


# --- parity -------------------------------------------------------------------------------------


def outcomes(groups: dict[str, tuple[int, float]], *, seed: int) -> tuple[Any, dict[str, str]]:
    """So many customers of each group, each favoured with the group's probability."""
    chance = random.Random(seed)  # noqa: S311 - a simulation with a fixed seed
    made, attribute = [], {}
    for name, (count, share) in groups.items():
        for number in range(count):
            key = customer(f"{name}-{number}").key
            attribute[key] = name
            discount = 100 if chance.random() < share else 0
            made.append(Outcome(key, "s", (), "t", 2000, discount, {}, 0, (), (), "r", None, 0))
    return made, attribute


def test_a_small_group_gets_no_verdict() -> None:
    """However far apart the shares are."""
    made, attribute = outcomes({"a": (1000, 0.5), "b": (499, 0.1)}, seed=1)

    found = parity(made, attribute)

    assert (found["b"].verdict, found["b"].ratio, found["b"].low) == ("too_few", None, None)
    assert found["a"].verdict == "no_difference_found"


@pytest.mark.parametrize(
    ("share", "verdict"),
    [(0.1, "differs_by_more_than_a_fifth"), (0.44, "differs"), (0.5, "no_difference_found")],
)
def test_a_difference_is_found_with_its_size(share: float, verdict: str) -> None:
    """An interval that leaves one out is a difference; one beyond four fifths is a large one."""
    made, attribute = outcomes({"a": (20_001, 0.5), "b": (20_000, share)}, seed=2)

    assert parity(made, attribute)["b"].verdict == verdict


@pytest.mark.parametrize(
    ("shares", "verdict"), [((0.0, 0.0), "no_difference_found"), ((0.5, 0.0), "differs")]
)
def test_a_group_that_nobody_favours_has_no_ratio(
    shares: tuple[float, float], verdict: str
) -> None:
    """Nothing divided by something is no ratio with an interval."""
    made, attribute = outcomes({"a": (600, shares[0]), "b": (500, shares[1])}, seed=3)

    assert (parity(made, attribute)["b"].ratio, parity(made, attribute)["b"].verdict) == (
        None,
        verdict,
    )


def test_the_interval_covers_the_truth() -> None:
    """Of 400 samples with no difference the 95 % interval leaves one out in about 20."""
    missed = 0
    for seed in range(400):
        made, attribute = outcomes({"a": (800, 0.2), "b": (600, 0.2)}, seed=seed)
        each = parity(made, attribute)["b"]
        assert each.low is not None
        assert each.high is not None
        missed += not each.low <= 1 <= each.high

    assert 8 <= missed <= 34  # three standard errors around 20


def test_whoever_stands_in_no_group_does_not_count(tmp_path: Path) -> None:
    """Customers without the attribute, and the attribute of strangers, are left out."""
    path = tmp_path / "audit.csv"
    path.write_text("customer_id,group\nx-0,a\nx-1,\nstranger,b\n")
    made, _ = outcomes({"x": (3, 1.0)}, seed=4)

    attribute = read_attribute(path, "group")

    assert attribute == {customer("x-0").key: "a", customer("stranger").key: "b"}
    assert {name: each.group.customers for name, each in parity(made, attribute).items()} == {
        "a": 1
    }


def test_parity_stands_in_the_figures(tmp_path: Path, deeper: Path, orders: Path) -> None:
    """Before and after, with the number of customers that each verdict rests on."""
    audit = tmp_path / "audit.csv"
    audit.write_text("customer_id,group\nann,a\nbob,b\n")

    figures = figures_of(
        run(
            tmp_path,
            *("--policy", str(deeper), "--on", str(orders)),
            *("--audit", str(audit), "--attribute", "group", "--no-plots"),
        )
    )

    assert {name: each["verdict"] for name, each in figures["parity"]["after"].items()} == {
        "a": "too_few",
        "b": "too_few",
    }


# --- recording ----------------------------------------------------------------------------------


def test_a_simulation_is_recorded_over_the_interface(
    tmp_path: Path, deeper: Path, orders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy is stored and the simulation stands beside it, so another key may activate it."""
    with open_storefront() as shop:

        def forward(request: Request) -> Bytes:
            answer = shop.call(request.method, request.operation, body=request.body)
            return Bytes(answer.body, {"Content-Type": "application/json"}, answer.status_code)

        with Loopback(forward) as server:
            monkeypatch.setenv("SEGUE_API_KEY", shop.issue_key("operate"))
            result = run(
                tmp_path,
                *("--policy", str(deeper), "--on", str(orders), "--record", server.url),
                "--no-plots",
            )
        figures = figures_of(result)
        told = shop.call("GET", f"/v1/policies/{figures['policy']}").json_body

    assert f"recorded at {server.url}" in result.output
    assert [(each["subject"], each["figures"]) for each in told["simulations"]] == [
        ("orders.csv", figures)
    ]


def test_a_stage_that_refuses_is_quoted(
    tmp_path: Path, deeper: Path, orders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key without the scope, or nobody there: the command fails and says so."""
    monkeypatch.setenv("SEGUE_API_KEY", "segue_x_y")
    arguments = ("--policy", str(deeper), "--on", str(orders), "--no-plots", "--record")
    with Loopback(lambda _: Reply({"title": "Forbidden"}, status=403)) as server:
        refused = run(tmp_path, *arguments, server.url)
    gone = run(tmp_path, *arguments, server.url)

    assert (refused.exit_code, "answered 403" in refused.output) == (1, True)
    assert (gone.exit_code, "cannot be reached" in gone.output) == (1, True)
