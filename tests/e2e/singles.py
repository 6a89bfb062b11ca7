"""The fault sweep's singles on the local stack's DynamoDB, for the files that share them out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.aws.clients import Clients
from chalicelib.aws.store import DynamoStore
from ops.stack import running
from tests.crash.cases import CASES
from tests.crash.run import replay_line, run
from tests.crash.sweep import places_of
from tests.crash.twin import RealTables, TwinStore
from tests.stack import create_tables, whole

# They are half of the end-to-end tests' time, so two workers take a half each: a file is one's own.
HALVES = list(CASES)[::2], list(CASES)[1::2]


@contextmanager
def real_tables(directory: Path) -> Iterator[RealTables]:
    """Tables on a stack of their own."""
    with running(directory) as stack:
        clients = Clients(endpoint_url=stack.endpoint_url)
        client = whole(clients.dynamodb_patient())
        names = create_tables(client)
        yield RealTables(client, names, DynamoStore(clients.dynamodb_patient, tables=names))


def hold_singles(tables: RealTables, name: str) -> None:
    """Break each numbered call of a case in each mode: memory and DynamoDB must agree."""
    calls = run(name, {}).calls
    for number, mode in places_of(name, calls):
        store = TwinStore(tables)

        result = run(name, {number: mode}, store=store)

        assert result.violations == (), replay_line(name, {number: mode})
        store.compare_all(now=0)
        assert store.disagreements == []
