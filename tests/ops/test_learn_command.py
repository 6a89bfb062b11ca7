"""``python -m ops learn``: what it refuses, and what fits into one item."""

from __future__ import annotations

import random

import click
import pytest
from click.testing import CliRunner

from chalicelib.core.kinds import LEARNING_KEY
from chalicelib.core.learning import Learning, publish
from ops.learn import exploration_of, learn, publish_learning
from tests.fakes import MemoryStore
from tests.unit.core.learnt import document, estimate, learned
from tests.unit.core.situations import NOW, default_policy


def test_a_policy_that_does_not_explore_is_not_taught() -> None:
    """Nothing would read what was learned; the table that is missing is named."""
    with pytest.raises(click.ClickException, match=r"has no \[exploration\]"):
        exploration_of(default_policy())


@pytest.mark.usefixtures("aws")
def test_without_a_stack_it_says_so() -> None:
    """The error names what is missing and what to do."""
    answer = CliRunner().invoke(learn, ["--stage", "prod"])

    assert answer.exit_code == 1
    assert "there is no stack segue-prod here: deploy it first" in answer.output


def large(actions: int) -> Learning:
    """So many actions in seven segments, as random as samples are."""
    rng = random.Random(3)  # noqa: S311  (a seed, not a secret)
    return publish(
        document(
            {
                f"segment_{segment}": {
                    f"action-{number}": estimate(*(round(rng.random(), 6) for _ in range(32)))
                    for number in range(actions)
                }
                for segment in range(7)
            }
        )
    )


def test_two_hundred_actions_in_seven_segments_fit_into_one_item() -> None:
    """And come back as they were published."""
    store, learning = MemoryStore(), large(200)

    publish_learning(learning, store=store, now=NOW)

    assert store.read([LEARNING_KEY], now=NOW).value(LEARNING_KEY) == learning


def test_what_does_not_fit_is_not_published() -> None:
    """What stood there stays, and the error names what makes it smaller."""
    store = MemoryStore()
    publish_learning(learned(), store=store, now=NOW)

    with pytest.raises(click.ClickException, match="lower"):
        publish_learning(large(500), store=store, now=NOW)

    assert store.read([LEARNING_KEY], now=NOW).value(LEARNING_KEY) == learned()
