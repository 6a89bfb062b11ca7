"""Each store in turn, for the contract that both keep."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.store import DynamoStore
from ops.moto_in_turns import moto_in_turns
from tests.fakes import MemoryStore
from tests.stack import create_tables
from tests.stores import no_sleep


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest, clients: Clients) -> Iterator[MemoryStore | DynamoStore]:
    """Each store in turn, empty."""
    if request.param == "memory":
        yield MemoryStore()
        return
    with moto_in_turns():
        tables = create_tables(clients.dynamodb_patient())
        yield DynamoStore(clients.dynamodb_patient, tables=tables, sleep=no_sleep)
