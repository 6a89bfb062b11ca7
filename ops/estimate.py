"""What another policy would have been worth, estimated from decisions that were explored.

python -m ops estimate --policy new.toml --log decisions.jsonl

The log is written by ``python -m ops learn --log``. Each decision is made again by the other policy
from the inputs in its record, with what had been learned at that time: never with what was learned
from the outcomes that judge it. An action that did not compete then goes by the propensity that the
policy states. A placement that cannot be estimated is refused, with what would mend it, and the
command ends with 3.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import click
from rich.console import Console
from rich.table import Table as Grid

from chalicelib.core.actions import PLACEMENTS
from chalicelib.core.decide import decide
from chalicelib.core.errors import BadInput
from chalicelib.core.exploration import NOTHING, Choice, choice_from_json
from chalicelib.core.off_policy import Evaluation, Logged, Refusal, evaluate, refuse
from chalicelib.core.outcomes import trial_of
from chalicelib.core.policy import Holdout, Policy, policy_from_toml
from chalicelib.core.record import situation_from_json
from chalicelib.core.rules import Rules
from chalicelib.core.scorecard import Scorecard
from ops.why import rules_of

Reward = Literal["paid", "ordered", "accepted"]
_REWARDS: Mapping[Reward, str] = {
    "paid": "paid_minor",
    "ordered": "ordered",
    "accepted": "accepted",
}
REFUSED_EXIT = 3
# A sum of shares that should be 1 misses it by rounding alone.
_ROUNDING = 1e-9


@click.command()
@click.option(
    "--policy",
    "policy_path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The other policy, as TOML.",
)
@click.option(
    "--log",
    "log_path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Decisions with outcomes: python -m ops learn --log FILE.",
)
@click.option("--placement", type=click.Choice(PLACEMENTS), help="Only this one.")
@click.option(
    "--reward",
    type=click.Choice(list(_REWARDS)),
    default="paid",
    show_default=True,
    help="paid: minor units, net of discounts and refunds.",
)
def estimate(policy_path: Path, log_path: Path, placement: str | None, reward: Reward) -> None:
    """Estimate what a policy would be worth, from decisions with outcomes."""
    policy = policy_from_toml(policy_path.read_text())
    with log_path.open() as lines:
        logs = logged_by_placement(lines, policy=policy, reward=reward)
    wanted = [placement] if placement is not None else sorted(logs)
    found = {name: judged(logs.get(name, [])) for name in wanted}
    console = Console(stderr=True)
    refused = {name: each for name, each in found.items() if isinstance(each, Refusal)}
    for name, each in found.items():
        if isinstance(each, Evaluation):
            console.print(_as_grid(name, each, reward))
    for name, refusal in refused.items():
        click.echo(f"{name}: refused: {refusal.reason}. Fix: {refusal.fix}.", err=True)
    if not found:
        raise BadInput.of(str(log_path), "holds no decision; write it with learn --log")
    click.echo(json.dumps({name: _told(each) for name, each in found.items()}))
    if refused:
        sys.exit(REFUSED_EXIT)


def judged(log: list[Logged]) -> Evaluation | Refusal:
    """Estimate from a log, or say why not."""
    return refuse(log) or evaluate(log)


def logged_by_placement(
    lines: Iterable[str], *, policy: Policy, reward: Reward
) -> dict[str, list[Logged]]:
    """The log by placement, with what the other policy would have done.

    Raises BadInput naming the line that is no decision with an outcome, or whose model is not here.
    """
    rules = _rules_by_model(policy)
    logs: dict[str, list[Logged]] = {}
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            placement, logged = _logged(record, record["outcome"][_REWARDS[reward]], rules)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput.of(
                f"line {number}",
                f"is no decision with its outcome ({type(error).__name__}); write the log anew "
                "with learn --log",
            ) from None
        if logged is not None:
            logs.setdefault(placement, []).append(logged)
    return logs


def _rules_by_model(policy: Policy) -> Callable[[str, str], Rules]:
    """The rules that decide by the other policy, nobody held out, with the model of a record."""
    nobody = Holdout(share_percent=0, salt=policy.holdout.salt)
    everybody = policy.model_copy(update={"holdout": nobody})

    @cache
    def rules(name: str, digest: str) -> Rules:
        ours = replace(rules_of({}, model=name), policy=everybody)
        if name == Scorecard.name:  # which is part of the policy
            return replace(ours, scorer=Scorecard(everybody))
        if ours.scorer.hash != digest:
            raise BadInput.of("model", f"{name} of this checkout is not the one that decided")
        return ours

    return rules


def _logged(
    record: Mapping[str, Any], reward: float, rules_for: Callable[[str, str], Rules]
) -> tuple[str, Logged | None]:
    """One line; None where the record tells of no choice, or of one that was withheld."""
    placement: str = record["situation"]["placement"]
    trial = trial_of(record)
    if trial is None or trial.withheld:
        return placement, None
    target = _choice(record, rules_for(record["model"]["name"], record["model"]["hash"]))
    return placement, Logged(
        customer=trial.subject_key,
        cell=trial.segment,
        action=trial.action,
        reward=float(reward),
        logged=dict(probabilities(choice_from_json(record["decision"]["choice"]))),
        target=dict(probabilities(target)),
    )


def _choice(record: Mapping[str, Any], rules: Rules) -> Choice | None:
    situation = replace(situation_from_json(record["situation"]), held=None)
    return decide(
        situation,
        policy=rules.policy,
        jurisdictions=rules.jurisdictions,
        scorer=rules.scorer,
        code_for=lambda effect: effect,
    ).choice


def probabilities(choice: Choice | None) -> Iterator[tuple[str, float]]:
    """Every action that could have been chosen, with its probability, ``NOTHING`` included."""
    left = 1.0
    for finalist in () if choice is None else choice.finalists:
        if finalist.action_probability > 0:
            yield finalist.action, finalist.action_probability
            left -= finalist.action_probability
    if left > _ROUNDING:
        yield NOTHING, left


def _told(found: Evaluation | Refusal) -> dict[str, Any]:
    if isinstance(found, Refusal):
        return {"refused": found.reason, "fix": found.fix}
    return asdict(found)


def _as_grid(placement: str, found: Evaluation, reward: Reward) -> Grid:
    """The estimates of one placement."""
    unit = "minor units" if reward == "paid" else "share"
    grid = Grid(
        placement,
        f"{unit} a decision",
        "95 % from",
        "to",
        caption=f"{found.decisions:,} decisions of {found.customers:,} customers, effective "
        f"{found.effective:,.0f}, overlap {found.overlap:.1%}, explored {found.explored:.0%}",
    )
    for name, label in (
        ("logged", "as it was"),
        ("ips", "IPS"),
        ("snips", "SNIPS"),
        ("dr", "doubly robust"),
        ("gain", "doubly robust, less as it was"),
    ):
        grid.add_row(label, *(f"{each:.4g}" for each in getattr(found, name)))
    return grid
