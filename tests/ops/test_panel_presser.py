"""The buttons as such: one press of each at a time, and whatever goes wrong is told."""

from __future__ import annotations

import threading

import pytest

from chalicelib.core.assignment import in_holdout
from chalicelib.core.policy import Policy
from chalicelib.core.rules import Rules
from chalicelib.core.subject import customer
from ops.panel.news import News
from ops.panel.pages import WORDS
from ops.panel.press import BUTTONS, Presser
from ops.panel.words import PressFailed, not_left_alone
from ops.seed import make_contact
from ops.stage_rules import packaged_rules
from tests.panels import PAGES, Clock, FakeWays


@pytest.fixture(scope="module")
def rules() -> Rules:
    """The policy and the model that ship."""
    return packaged_rules()


def test_those_who_are_written_to_are_in_no_group_left_alone(rules: Rules) -> None:
    """For a customer of the holdout nothing would be done, and the button would wait in vain."""
    everybody = [f"c-{number}" for number in range(300)]
    alone = [each for each in everybody if in_holdout(rules.policy, customer(each).key)]

    assert alone
    for name in alone:
        assert not_left_alone(name, rules.policy).startswith(f"{name}-")
    assert not_left_alone("c-0", rules.policy) == "c-0"


def test_a_holdout_of_everybody_is_named(rules: Rules) -> None:
    """A policy under which nothing can be shown is an error, not an endless search."""
    holdout = rules.policy.holdout.model_copy(update={"share_percent": 100.0})
    everybody: Policy = rules.policy.model_copy(update={"holdout": holdout})

    with pytest.raises(PressFailed, match="holdout"):
        not_left_alone("c-1", everybody)


class Refusing(FakeWays):
    """A stack that takes no file."""

    def put_file(self, key: str, body: bytes) -> str:
        """Refuse it."""
        raise PressFailed("the bucket is full")


def test_a_press_that_fails_is_told() -> None:
    """What went wrong stands in the news under its button, which can be pressed again."""
    ways = Refusing(Clock())
    presser = Presser(ways, PAGES, (), News(ways.clock))

    assert presser.press("drop")
    presser.close()

    [entry] = presser.news.after(0)
    assert (entry.what, entry.step) == ("drop", "failed")
    assert entry.text == "PressFailed: the bucket is full"
    assert not presser.busy


class Held(FakeWays):
    """A stack that takes a file only when told to."""

    gate = threading.Event()

    def put_file(self, key: str, body: bytes) -> str:
        """Wait."""
        self.gate.wait(30)
        return super().put_file(key, body)


def test_a_button_is_pressed_once_at_a_time() -> None:
    """While a press is at work the same button does nothing; the others do."""
    ways = Held(Clock())
    presser = Presser(ways, PAGES, (), News(ways.clock))

    assert presser.press("drop")
    assert not presser.press("drop")
    assert presser.busy == {"drop"}
    assert presser.press("checkout")
    ways.gate.set()
    presser.close()

    assert len(ways.dropped) == 1
    assert not presser.press("drop"), "the demo is over"


def test_shoppers_take_turns(rules: Rules) -> None:
    """Each press asks for the next customer, and begins anew after the last."""
    ways = FakeWays(Clock())
    contacts = [make_contact("00001"), make_contact("00002")]
    presser = Presser(ways, PAGES, contacts, News(ways.clock), rules_of_stage=lambda: rules)
    for _ in range(3):
        assert presser.press("checkout")
        _join(presser)

    assert [each["customer_id"] for each in ways.asked] == ["00001", "00002", "00001"]


def test_the_fourth_button_is_two(rules: Rules) -> None:
    """It makes SES fail, and pressed again lets it recover."""
    ways = FakeWays(Clock())
    presser = Presser(ways, PAGES, (), News(ways.clock), rules_of_stage=lambda: rules)
    for fails in (True, False):
        assert presser.press("mail-fails")
        _join(presser)
        assert presser.is_failing is fails
        assert ways.is_down is fails


def test_no_button_is_without_words() -> None:
    """Each button has a label."""
    assert tuple(WORDS) == BUTTONS


def _join(presser: Presser) -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("press-"):
            thread.join(30)
    assert not presser.busy
