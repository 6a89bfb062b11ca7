"""How fast mails may leave: what the plan says, else what the account may send."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from boto3.session import Session

from ops.deploy import Plan, sending_limits

PLAN = Plan(sender="Shop <shop@example.com>", postal_address="Shop, 1 High Street")


class Granting:
    """A session whose SES account has a quota; it counts how often it is asked."""

    def __init__(self, quota: dict[str, float]) -> None:
        """Take the quota."""
        self.quota, self.asked = quota, 0

    def client(self, _name: str) -> Any:
        """Itself, as every client."""
        return self

    def get_account(self) -> dict[str, Any]:
        """As SESv2's GetAccount."""
        self.asked += 1
        return {"SendQuota": self.quota}


def limits(quota: dict[str, float], plan: Plan = PLAN, *, local: bool = False) -> Any:
    """The two parameters."""
    found = sending_limits(cast("Session", Granting(quota)), plan, local=local)
    return found["MailsPerSecond"], found["MailsPerDay"]


@pytest.mark.parametrize(
    ("quota", "found"),
    [
        ({"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 3.0}, ("1", "200")),
        ({"Max24HourSend": 50_000.0, "MaxSendRate": 14.0}, ("14", "50000")),
        ({"Max24HourSend": -1.0, "MaxSendRate": 500.0}, ("500", "")),
        ({}, ("", "")),
    ],
)
def test_the_account_says(quota: dict[str, float], found: tuple[str, str]) -> None:
    """A sandbox sends one in a second and 200 in a day; an unlimited day is not counted."""
    assert limits(quota) == found


def test_a_plan_that_says_both_asks_nobody() -> None:
    """An operator who stays below the account's limits has reasons."""
    plan = replace(PLAN, mails_per_second=5, mails_per_day=1000)
    session = Granting({"Max24HourSend": 200.0, "MaxSendRate": 1.0})

    found = sending_limits(cast("Session", session), plan, local=False)

    assert found == {"MailsPerSecond": "5", "MailsPerDay": "1000"}
    assert session.asked == 0


def test_a_local_stack_is_not_paced() -> None:
    """There is no provider to be spared."""
    assert limits({"Max24HourSend": 200.0, "MaxSendRate": 1.0}, local=True) == ("", "")
