"""API keys: make one, list them, revoke one.

A key reads ``segue_<key id>_<secret>``; it is printed once, and storage keeps its hash alone. The
id is public: it stands in logs and names the key here. A revoked key stays on the list, and
answers are cached for the authorizer's 60 seconds, so it stops working within a minute.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import click

from chalicelib.aws.items import stored_of
from chalicelib.aws.store import DynamoStore
from chalicelib.core.canonical import sha256_hex
from chalicelib.core.control import SCOPES, ApiKey
from chalicelib.core.errors import NotFound
from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import API_KEY
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Key, Put, Stored
from ops.cloudformation import DeploymentFailed
from ops.deploy import stack_environment
from ops.session import open_session

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

KEY_ID_BYTES = 6
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key that was just made: the only moment at which its text is known."""

    text: str
    api_key: ApiKey


def create_key(
    store: Store,
    *,
    scopes: Sequence[str],
    now: int,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> IssuedKey:
    """Make a key and store its hash; raises Conflict should the key exist already."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise ValueError(f"scopes are {', '.join(SCOPES)}, not {', '.join(unknown) or 'none'}")
    key_id = random_bytes(KEY_ID_BYTES).hex()
    secret = base64.urlsafe_b64encode(random_bytes(SECRET_BYTES)).rstrip(b"=").decode()
    text = f"segue_{key_id}_{secret}"
    api_key = ApiKey(key_id, tuple(s for s in SCOPES if s in scopes), created_at=now)
    store.write([Put(API_KEY.key(sha256_hex(text.encode())), api_key)], now=now)
    return IssuedKey(text, api_key)


def list_keys(
    client: DynamoDBClient, *, control_table: str
) -> list[tuple[Key[ApiKey], Stored[ApiKey]]]:
    """Every key, oldest first; a scan, since nothing but this command ever lists them."""
    found: list[tuple[Key[ApiKey], Stored[ApiKey]]] = []
    pages = client.get_paginator("scan").paginate(
        TableName=control_table,
        FilterExpression="sk = :kind",
        ExpressionAttributeValues={":kind": {"S": API_KEY.name}},
        ConsistentRead=True,
    )
    for page in pages:
        for item in page["Items"]:
            key = API_KEY.key(item["pk"]["S"].removeprefix(API_KEY.prefix))
            found.append((key, stored_of(key, item)))
    return sorted(found, key=lambda each: (each[1].value.created_at, each[1].value.key_id))


def revoke_key(
    store: Store, client: DynamoDBClient, *, control_table: str, key_id: str, now: int
) -> ApiKey:
    """Mark a key as revoked, at the first revocation's moment; raises NotFound."""
    for key, stored in list_keys(client, control_table=control_table):
        if stored.value.key_id != key_id:
            continue
        if stored.value.revoked_at is not None:
            return stored.value
        revoked = replace(stored.value, revoked_at=now)
        store.write([Put(key, revoked, condition=AtVersion(stored.version))], now=now)
        return revoked
    raise NotFound.of("key_id", f"names no key: {key_id}")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the keys of one stage are."""

    client: DynamoDBClient
    store: DynamoStore
    control_table: str


def key_store(client: DynamoDBClient, *, control_table: str) -> DynamoStore:
    """The store that holds the keys of one deployment."""
    return DynamoStore(lambda: client, tables={"control": control_table})


def _place(*, stage: str | None, endpoint_url: str | None, region: str | None) -> _Place:
    session = open_session(endpoint_url=endpoint_url, region=region)
    try:
        control_table = stack_environment(session, stage=stage or "dev")["SEGUE_CONTROL_TABLE"]
    except DeploymentFailed as error:
        raise click.ClickException(str(error)) from None
    client = session.client("dynamodb")
    return _Place(client, key_store(client, control_table=control_table), control_table)


Command = TypeVar("Command", bound=Callable[..., None])


def _of_a_stage(command: Command) -> Command:
    """Add the options that say whose keys are meant."""
    for option in (
        click.option("--region", envvar="AWS_REGION"),
        click.option(
            "--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS."
        ),
        click.option("--stage", default="dev", show_default=True),
    ):
        command = option(command)
    return command


@click.group()
def key() -> None:
    """Make, list and revoke API keys."""


@key.command()
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES))
@_of_a_stage
def create(scopes: tuple[str, ...], **place: str | None) -> None:
    """Make a key and print it, this once."""
    issued = create_key(_place(**place).store, scopes=scopes, now=int(time.time()))
    made = issued.api_key
    click.echo(f"key id {made.key_id}, scopes {', '.join(made.scopes)}", err=True)
    click.echo(issued.text)


@key.command("list")
@_of_a_stage
def list_(**place: str | None) -> None:
    """Print every key: its id, since when, what it may do, whether it still works."""
    found = _place(**place)
    for _, stored in list_keys(found.client, control_table=found.control_table):
        each = stored.value
        since = format_instant(each.created_at)
        end = "" if each.revoked_at is None else f"  revoked {format_instant(each.revoked_at)}"
        click.echo(f"{each.key_id}  {since}  {','.join(each.scopes)}{end}")


@key.command()
@click.argument("key_id")
@_of_a_stage
def revoke(key_id: str, **place: str | None) -> None:
    """End a key; it stops working within a minute."""
    found = _place(**place)
    try:
        revoked = revoke_key(
            found.store,
            found.client,
            control_table=found.control_table,
            key_id=key_id,
            now=int(time.time()),
        )
    except NotFound as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{revoked.key_id} revoked {format_instant(revoked.revoked_at or 0)}")
