"""A no to mail binds the mailbox: two accounts with one address have one owner."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import pytest

from chalicelib.core.address import AddressState, address_hash
from chalicelib.core.kinds import ADDRESS
from chalicelib.core.storage import Put
from tests.drops import DataTeam, order_row, orders_csv
from tests.fakes import SIGNING_KEYS
from tests.makers import DAY_SECONDS, NOW, identify
from tests.shop import Shop, bought

KEY = ADDRESS.key(address_hash("ann@example.com", secret=SIGNING_KEYS.address_secret))
YES: Mapping[str, Any] = {"email": "ann@example.com", "consent_marketing_email": True}
NO: Mapping[str, Any] = {"email": " Ann@Example.com", "consent_marketing_email": False}


def address(shop: Shop | DataTeam) -> AddressState | None:
    """What stands under the address."""
    return shop.store.read([KEY], now=NOW).value(KEY)


@pytest.mark.parametrize("order_of_arrival", [*permutations(range(3))])
def test_a_no_through_one_account_holds_for_another_that_had_agreed(
    order_of_arrival: tuple[int, int, int],
) -> None:
    """Whatever arrives first: who said yes before the no gets no mail and no promise."""
    shop = Shop()
    said = [
        identify(user="c-1", **YES, at=NOW - 3 * DAY_SECONDS),
        identify(user="c-2", **NO, at=NOW - 2 * DAY_SECONDS),
        identify(user="c-2", **NO, at=NOW - 4 * DAY_SECONDS),
    ]
    for n in order_of_arrival:
        shop.send(said[n])

    shop.send(bought("c-1", "o-1", days_ago=100))

    assert address(shop) == AddressState(refused={"marketing_email": NOW - 2 * DAY_SECONDS})
    assert shop.mails() == []
    assert shop.store.all("coupon") == {}


def test_a_later_yes_is_a_yes_again() -> None:
    """The account that agrees after the no is mailed; one that agreed before stays unmailed."""
    shop = Shop()
    shop.send(identify(user="c-1", **YES, at=NOW - 3 * DAY_SECONDS))
    shop.send(identify(user="c-2", **NO, at=NOW - 2 * DAY_SECONDS))
    shop.send(identify(user="c-3", **YES, at=NOW - 1 * DAY_SECONDS))

    shop.send(bought("c-1", "o-1", days_ago=100))
    shop.send(bought("c-3", "o-3", days_ago=100))

    (mail,) = shop.mails()
    assert mail.subject_key == "c#c-3"


def test_a_no_follows_the_account_to_its_new_address() -> None:
    """Who said no and then names another address has said no to mail there as well."""
    shop = Shop()
    shop.send(identify(user="c-2", consent_marketing_email=False, at=NOW - 9))
    assert address(shop) is None

    shop.send(identify(user="c-2", email="ann@example.com", at=NOW - 5))

    assert address(shop) == AddressState(refused={"marketing_email": NOW - 9})


def test_who_says_nothing_of_mail_costs_no_read() -> None:
    """Most messages bring no no: one read and one write, as before."""
    shop = Shop()
    shop.send(identify(user="c-1", **YES))

    assert shop.call_names() == ["read", "write"]


def test_a_no_in_a_file_holds_for_every_account_with_the_address() -> None:
    """A row of a customers file binds the address, and the next drop mails nobody there."""
    team = DataTeam()
    team.drop(
        "customers/a.csv",
        "customer_id,email,consent_marketing_email\n"
        "c-1,ann@example.com,true\nc-2,ann@example.com,false\nc-3,ANN@example.com,false\n"
        "c-4,bob@example.com,true\n",
    )

    team.drop(
        "orders/a.csv",
        orders_csv(*(order_row(f"o-{n}", f"c-{n}", days_ago=100) for n in (1, 2, 3, 4))),
    )

    state = address(team)
    assert state is not None
    assert set(state.refused) == {"marketing_email"}
    mails = [e for e in team.store.all("effect").values() if e.kind == "mail"]
    assert [mail.subject_key for mail in mails] == ["c#c-4"]


def test_a_no_meanwhile_is_not_overwritten() -> None:
    """Somebody unsubscribes between our look and our write: both stand afterwards."""
    shop = Shop()

    def meanwhile() -> None:
        from_mail = AddressState(withdrawn={"profiling": NOW})
        shop.store.write([Put(KEY, from_mail)], now=NOW)

    shop.store.before_write = meanwhile
    shop.send(identify(user="c-2", **NO, at=NOW - 2))

    assert address(shop) == AddressState({"profiling": NOW}, {"marketing_email": NOW - 2})
