"""The store of a checkout, connected to a server of our own."""

from __future__ import annotations

from chalicelib.aws.clients import Clients
from chalicelib.aws.store import DynamoStore
from chalicelib.core.storage import Table
from tests.loopback import Loopback

TABLES: dict[Table, str] = {
    "profiles": "p",
    "decisions": "d",
    "effects": "e",
    "control": "c",
    "signals": "s",
}


def fast_store(server: Loopback) -> DynamoStore:
    """The store of a checkout: one attempt of the SDK."""
    clients = Clients(endpoint_url=server.url)
    clients.warm("dynamodb_fast")  # no deadline of these tests pays for it
    return DynamoStore(clients.dynamodb_fast, tables=TABLES, sleep=no_sleep)


def no_sleep(seconds: float) -> None:
    """Do not wait."""
    del seconds
