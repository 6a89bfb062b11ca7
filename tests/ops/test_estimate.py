"""``python -m ops estimate``: another policy judged by decisions that were really made."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chalicelib.core.decide import decide
from chalicelib.core.errors import BadInput
from chalicelib.core.learning import Learning, publish
from chalicelib.core.policy import Policy, policy_from_toml
from chalicelib.core.record import build_record
from chalicelib.core.subject import customer
from ops.cli import main
from ops.estimate import REFUSED_EXIT, logged_by_placement
from ops.why import rules_of
from tests.unit.core.learnt import document, estimate
from tests.unit.core.situations import POLICIES, buyer, checkout

ACTIONS = """
[[actions]]
id = "ten"
placements = ["checkout"]
propensity = 0.12
value_minor = 2000
lever = {ten}

[[actions]]
id = "five"
placements = ["checkout"]
propensity = 0.10
value_minor = 2000
{more}
"""
PAYS = {"ten": 0.1, "five": 0.3}  # how many of those who were shown an action pay 40.00
RULES = rules_of({}, model="cdnow-1.0.0")


def toml(*, ten: float = 1.0, more: str = "", explores: bool = True) -> str:
    """The shipped policy with two other actions, and nobody held out."""
    shipped = (POLICIES / "default.toml").read_text()
    head, _, rest = shipped.partition("[[actions]]")
    scorecard = rest[rest.index("[[scorecard]]") :]
    head = head.replace("share_percent = 2.0", "share_percent = 0.0")
    exploration = "[exploration]\n" if explores else ""
    return f"{head}{exploration}{ACTIONS.format(ten=ten, more=more)}\n{scorecard}"


def known(segment: str) -> Learning:
    """Samples under which each action wins often enough."""
    rng = random.Random(11)  # noqa: S311  (a seed, not a secret)
    samples = {name: [rng.uniform(0.05, 0.2) for _ in range(32)] for name in PAYS}
    told = {name: estimate(*each) for name, each in samples.items()}
    return publish(document({segment: told}))


def log_lines(policy: Policy, *, customers: int, learned: bool = True) -> list[str]:
    """Decisions of that policy, and what a seeded town makes of them."""
    rng = random.Random(5)  # noqa: S311  (a seed, not a secret)
    rules = replace(RULES, policy=policy)
    lines = []
    for number in range(customers):
        subject = customer(f"c-{number}")
        facts = buyer(silent_days=100, subject=subject)
        situation = checkout(decision_id=f"d_{number}", subject=subject, facts=facts, lines=())
        if learned:
            situation = replace(situation, learned=known(_segment()))
        decision = decide(
            situation,
            policy=policy,
            jurisdictions=rules.jurisdictions,
            scorer=rules.scorer,
            code_for=lambda effect: effect,
        )
        record = build_record(
            situation,
            decision,
            policy=policy,
            jurisdictions_hash=rules.jurisdictions_hash,
            scorer=rules.scorer,
            correlation_id="r-1",
        )
        paid = 4000 * (rng.random() < PAYS[decision.chosen[0]])
        outcome = {"shown": True, "accepted": paid > 0, "ordered": paid > 0, "paid_minor": paid}
        lines.append(json.dumps({**record, "outcome": outcome}))
    return lines


def _segment() -> str:
    decision = decide(
        checkout(),
        policy=RULES.policy,
        jurisdictions=RULES.jurisdictions,
        scorer=RULES.scorer,
        code_for=lambda effect: effect,
    )
    return decision.scores.segment


def run(tmp_path: Path, policy: str, lines: list[str], *more: str) -> Result:
    """Call the command on these files."""
    (tmp_path / "new.toml").write_text(policy)
    (tmp_path / "log.jsonl").write_text("".join(f"{line}\n" for line in lines))
    files = ["--policy", str(tmp_path / "new.toml"), "--log", str(tmp_path / "log.jsonl")]
    return CliRunner().invoke(main, ["estimate", *files, *more])


def closing(result: Result) -> dict[str, Any]:
    """The last line of what was printed to standard output."""
    told: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return told


def test_a_policy_that_prefers_what_pays_is_estimated_to_be_worth_more(tmp_path: Path) -> None:
    """The town pays 12.00 a decision for one action and 4.00 for the other."""
    lines = log_lines(policy_from_toml(toml()), customers=1500)

    result = run(tmp_path, toml(ten=0.1), lines)
    told = closing(result)["checkout"]

    assert result.exit_code == 0
    for name in ("ips", "snips", "dr"):
        value, low, high = told[name]
        assert low <= 0.3 * 4000 <= high
        assert low <= value <= high
    assert told["gain"][1] > 0
    assert told["overlap"] == 1.0
    assert told["explored"] == 1.0
    assert "doubly robust" in result.stderr


def test_rewards_may_be_shares(tmp_path: Path) -> None:
    """Whether somebody ordered, in place of what they paid."""
    lines = log_lines(policy_from_toml(toml()), customers=600)

    told = closing(run(tmp_path, toml(ten=0.1), lines, "--reward", "ordered"))["checkout"]

    assert told["dr"][1] <= 0.3 <= told["dr"][2]


@pytest.mark.parametrize(
    ("logged", "other", "learned", "reason", "fix"),
    [
        (toml(explores=False), toml(), True, "the log is deterministic", "[exploration]"),
        (toml(), toml(), False, "the log is deterministic", "learn"),
        (
            toml(),
            toml(more='[[actions]]\nid = "new"\nplacements = ["checkout"]\n'
                 "propensity = 0.9\nvalue_minor = 9000"),
            True,
            "never possible in the log: new (100.0%)",
            "explore these actions",
        ),
    ],
)  # fmt: skip
def test_what_a_log_cannot_say_is_refused_with_what_mends_it(
    tmp_path: Path, logged: str, other: str, learned: bool, reason: str, fix: str
) -> None:
    """The command ends with 3, and no estimate is printed."""
    lines = log_lines(policy_from_toml(logged), customers=150, learned=learned)

    result = run(tmp_path, other, lines)

    assert result.exit_code == REFUSED_EXIT
    assert f"checkout: refused: {closing(result)['checkout']['refused']}" in result.stderr
    assert reason in result.stderr
    assert fix in closing(result)["checkout"]["fix"]


def test_a_placement_without_decisions_is_refused(tmp_path: Path) -> None:
    """It was asked for by name, so nothing is silently left out."""
    lines = log_lines(policy_from_toml(toml()), customers=5)

    result = run(tmp_path, toml(), lines, "--placement", "mail")

    assert result.exit_code == REFUSED_EXIT
    assert "no decision whose outcome is known" in result.stderr


@pytest.mark.parametrize("line", ["{}", "[]", "1", "not json", '{"situation": {}, "outcome": {}}'])
def test_a_line_that_is_no_decision_is_named(tmp_path: Path, line: str) -> None:
    """By its number, with how such a log is made."""
    lines = log_lines(policy_from_toml(toml()), customers=2)

    result = run(tmp_path, toml(), [*lines, line])

    assert result.exit_code == 1
    assert "line 3: is no decision with its outcome" in result.output


def test_a_log_of_another_model_is_refused() -> None:
    """Segments would be others, and every estimate about other customers."""
    policy = policy_from_toml(toml())
    told = json.loads(log_lines(policy, customers=1)[0])
    told["model"]["hash"] = "sha256:other"

    with pytest.raises(BadInput, match="not the one that decided"):
        logged_by_placement([json.dumps(told)], policy=policy, reward="paid")


def test_an_empty_log_is_named(tmp_path: Path) -> None:
    """Nothing can be estimated from nothing."""
    result = run(tmp_path, toml(), [])

    assert result.exit_code == 1
    assert "holds no decision" in result.output


def test_a_policy_that_does_not_validate_is_named(tmp_path: Path) -> None:
    """By the path of what is wrong in it."""
    result = run(tmp_path, toml(ten=-1.0), log_lines(policy_from_toml(toml()), customers=1))

    assert result.exit_code == 1
    assert "actions.0.lever" in result.output
