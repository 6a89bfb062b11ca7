"""Each store in turn, for the contract that all keep."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.store import DynamoStore
from ops.moto_in_turns import moto_in_turns
from ops.stack import running
from tests.fakes import MemoryStore
from tests.stack import create_tables, whole
from tests.stores import no_sleep


@pytest.fixture(scope="session")
def local_clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Clients of a local stack with nothing in it."""
    with running(tmp_path_factory.mktemp("contract")) as stack:
        yield Clients(endpoint_url=stack.endpoint_url)


@pytest.fixture(params=["memory", "moto", pytest.param("local stack", marks=pytest.mark.e2e)])
def store(request: pytest.FixtureRequest, clients: Clients) -> Iterator[MemoryStore | DynamoStore]:
    """Each store in turn, empty."""
    match request.param:
        case "memory":
            yield MemoryStore()
        case "moto":
            with moto_in_turns():
                tables = create_tables(clients.dynamodb_patient())
                yield DynamoStore(clients.dynamodb_patient, tables=tables, sleep=no_sleep)
        case _:
            local: Clients = request.getfixturevalue("local_clients")
            client = whole(local.dynamodb_patient())
            tables = create_tables(client)
            yield DynamoStore(local.dynamodb_patient, tables=tables, sleep=no_sleep)
            for name in tables.values():
                client.delete_table(TableName=name)
