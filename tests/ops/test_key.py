"""API keys: shown once, stored hashed, named by their public id."""

from __future__ import annotations

import base64

import boto3
import pytest
from types_boto3_dynamodb import DynamoDBClient

from chalicelib.aws.store import DynamoStore
from chalicelib.core.canonical import sha256_hex
from chalicelib.core.control import SCOPES, ApiKey, Switches
from chalicelib.core.errors import NotFound
from chalicelib.core.kinds import API_KEY, SWITCH
from chalicelib.core.storage import Conflict, Put
from ops.key import create_key, key_store, list_keys, revoke_key
from tests.stack import create_tables

NOW = 1_795_000_000
CONTROL = "test-control"


@pytest.fixture
def client(aws: None) -> DynamoDBClient:
    """DynamoDB with a control table, on moto."""
    dynamodb = boto3.client("dynamodb")
    assert create_tables(dynamodb)["control"] == CONTROL
    return dynamodb


@pytest.fixture
def store(client: DynamoDBClient) -> DynamoStore:
    """The real store over that table."""
    return key_store(client, control_table=CONTROL)


def test_a_key_carries_its_id_and_a_long_secret(store: DynamoStore) -> None:
    """A key reads segue_<id>_<secret>, and the secret is 32 random bytes in base64url."""
    issued = create_key(store, scopes=["decide"], now=NOW)

    product, key_id, secret = issued.text.split("_", 2)
    assert product == "segue"
    assert key_id == issued.api_key.key_id
    assert len(base64.urlsafe_b64decode(secret + "=")) == 32


def test_storage_never_sees_the_key(store: DynamoStore, client: DynamoDBClient) -> None:
    """The item is found by the key's SHA-256 and holds nothing of the secret."""
    issued = create_key(store, scopes=["decide", "events"], now=NOW)

    name = API_KEY.key(sha256_hex(issued.text.encode()))
    found = store.read([name], now=NOW).value(name)
    assert found == ApiKey(issued.api_key.key_id, ("decide", "events"), created_at=NOW)
    secret = issued.text.split("_", 2)[2]
    assert secret not in str(client.scan(TableName=CONTROL)["Items"])


def test_two_keys_are_never_the_same(store: DynamoStore, client: DynamoDBClient) -> None:
    """Keys made in the same second have ids and secrets of their own."""
    texts = {create_key(store, scopes=["read"], now=NOW).text for _ in range(20)}

    assert len(texts) == 20
    assert len(list_keys(client, control_table=CONTROL)) == 20


def test_a_key_that_exists_is_not_overwritten(store: DynamoStore) -> None:
    """Should randomness repeat itself, the second key is refused and the first one stays."""
    create_key(store, scopes=["read"], now=NOW, random_bytes=bytes)

    with pytest.raises(Conflict):
        create_key(store, scopes=["operate"], now=NOW, random_bytes=bytes)


@pytest.mark.parametrize("scopes", [[], ["everything"], ["decide", "admin"]])
def test_a_key_has_known_scopes_and_at_least_one(store: DynamoStore, scopes: list[str]) -> None:
    """A key without a scope, or with one that no route knows, is not made."""
    with pytest.raises(ValueError, match="scopes are"):
        create_key(store, scopes=scopes, now=NOW)


def test_scopes_stand_in_one_order(store: DynamoStore) -> None:
    """However they are asked for, scopes are stored once each, in the order of the contract."""
    issued = create_key(store, scopes=[*reversed(SCOPES), "read"], now=NOW)

    assert issued.api_key.scopes == SCOPES


def test_the_list_shows_keys_alone_oldest_first(store: DynamoStore, client: DynamoDBClient) -> None:
    """Other things in the control table are no keys."""
    late = create_key(store, scopes=["read"], now=NOW + 1)
    early = create_key(store, scopes=["read"], now=NOW)
    store.write([Put(SWITCH.key("0"), Switches())], now=NOW)

    listed = [stored.value for _, stored in list_keys(client, control_table=CONTROL)]

    assert listed == [early.api_key, late.api_key]


def test_revoking_needs_the_id_alone(store: DynamoStore, client: DynamoDBClient) -> None:
    """A revoked key says since when; other keys keep working."""
    gone = create_key(store, scopes=["decide"], now=NOW)
    kept = create_key(store, scopes=["decide"], now=NOW)

    revoke_key(store, client, control_table=CONTROL, key_id=gone.api_key.key_id, now=NOW + 60)

    names = [API_KEY.key(sha256_hex(issued.text.encode())) for issued in (gone, kept)]
    found = store.read(names, now=NOW)
    revoked, standing = (found.value(name) for name in names)
    assert revoked is not None
    assert revoked.revoked_at == NOW + 60
    assert standing is not None
    assert standing.revoked_at is None


def test_revoking_twice_keeps_the_first_moment(store: DynamoStore, client: DynamoDBClient) -> None:
    """When a key stopped working does not move."""
    key_id = create_key(store, scopes=["decide"], now=NOW).api_key.key_id

    for moment in (NOW + 60, NOW + 90):
        revoked = revoke_key(store, client, control_table=CONTROL, key_id=key_id, now=moment)

    assert revoked.revoked_at == NOW + 60


def test_revoking_an_unknown_key_says_so(store: DynamoStore, client: DynamoDBClient) -> None:
    """A mistyped id is an error and changes nothing."""
    issued = create_key(store, scopes=["decide"], now=NOW)

    with pytest.raises(NotFound, match="names no key"):
        revoke_key(store, client, control_table=CONTROL, key_id="000000000000", now=NOW)

    assert list_keys(client, control_table=CONTROL)[0][1].value == issued.api_key
