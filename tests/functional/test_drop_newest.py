"""The newest file of each kind: noted before its drop is closed, whoever else ends one."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.kinds import NEWEST_FILE
from chalicelib.core.storage import WHATEVER, Put
from tests.drops import DataTeam, order_row, orders_csv
from tests.unit.core.situations import NOW


@pytest.fixture
def team() -> DataTeam:
    """A data team before its first drop."""
    return DataTeam()


def newest_of(team: DataTeam, kind: str) -> Any:
    """What is noted of the newest file of a kind."""
    return team.store.one(NEWEST_FILE.key(kind))


def test_the_newest_file_of_each_kind_is_noted(team: DataTeam) -> None:
    """Once it ended COMPLETE; a refused one is none, and an earlier one takes nothing back."""
    first = team.drop("orders/a.csv", orders_csv(order_row("o-1", "c-1", days_ago=20)))
    assert newest_of(team, "orders") == {"drop_id": first.drop_id, "at": first.started_at}
    team.drop("orders/broken.csv", b"nothing that anybody knows\n1\n")
    assert newest_of(team, "orders")["drop_id"] == first.drop_id
    assert newest_of(team, "customers") is None

    later = {"drop_id": "later", "at": first.started_at + 60}
    team.store.write([Put(NEWEST_FILE.key("orders"), later, WHATEVER)], now=NOW)
    team.drop("orders/b.csv", orders_csv(order_row("o-2", "c-1", days_ago=10)))

    assert newest_of(team, "orders") == later


def test_of_two_files_that_end_at_once_both_are_heard(team: DataTeam) -> None:
    """Somebody else notes an older one between look and write: it is looked at again."""
    noted: list[bool] = []

    def beside() -> None:
        if not _is_ending(team):
            team.store.before_write = beside
            return
        noted.append(True)
        older = {"drop_id": "older", "at": 1}
        team.store.write([Put(NEWEST_FILE.key("orders"), older, WHATEVER)], now=NOW)

    team.store.before_write = beside
    drop = team.drop("orders/a.csv", orders_csv(order_row("o-1", "c-1", days_ago=20)))

    assert noted
    assert newest_of(team, "orders")["drop_id"] == drop.drop_id


def _is_ending(team: DataTeam) -> bool:
    """Whether the manifest is there, which is the last before the drop's end."""
    return any(key.endswith("manifest.json") for key in team.objects.keys("results"))
