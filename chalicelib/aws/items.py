"""How a stored thing lies in DynamoDB, and how a write says its condition there.

Every item is the same: ``pk`` and ``sk`` name it, ``body`` is its canonical JSON (compressed
where its kind says so), ``version`` counts its saves, ``expires_at`` is its TTL, and the
attributes of its kind's index stand beside them. Nothing queries inside a body, so there is
nothing to marshal attribute by attribute.

>>> from chalicelib.core.control import Switches
>>> from chalicelib.core.kinds import SWITCH
>>> item_of(Put(SWITCH.key("0"), Switches()), version=1)["body"]
{'S': '{"offers":true,"pricing":true,"sending":true}'}
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from chalicelib.aws.packed import pack, unpack
from chalicelib.core.canonical import canonical_json
from chalicelib.core.errors import Broken
from chalicelib.core.storage import (
    AtVersion,
    Check,
    Condition,
    Delete,
    IndexAttributes,
    Key,
    Present,
    Put,
    Stored,
    Table,
    Whatever,
    Write,
)

T = TypeVar("T")
Item = Mapping[str, Mapping[str, Any]]
Verb = Literal["Put", "Update", "Delete", "ConditionCheck"]

# What an unconditional save must take away when the value is no longer in the index.
INDEX_ATTRIBUTES: Mapping[Table, tuple[str, ...]] = {
    "profiles": ("due_shard", "review_at", "owned_by", "in_group", "grouped_at"),
    "decisions": ("subject", "decided_at"),
    "control": ("listed_under", "listed_at"),
    "effects": ("owned_by", "open_shard", "look_at", "listed_under", "listed_at"),
}


def key_of(key: Key[Any]) -> dict[str, dict[str, str]]:
    """The primary key."""
    return {"pk": {"S": key.partition}, "sk": {"S": key.kind.name}}


def item_of(put: Put[Any], *, version: int) -> dict[str, dict[str, Any]]:
    """The whole item that a put leaves behind."""
    item: dict[str, dict[str, Any]] = key_of(put.key)
    item["body"] = _body_of(put)
    item["version"] = {"N": str(version)}
    if put.expires_at is not None:
        item["expires_at"] = {"N": str(put.expires_at)}
    item.update(_index_of(put.key.kind.index(put.value)))
    return item


def stored_of(key: Key[T], item: Item) -> Stored[T]:
    """The value back; raises Broken when the item is not what ``item_of`` writes."""
    try:
        body = item["body"]
        text = unpack(body["B"]) if key.kind.compressed else body["S"]
        expires_at = item.get("expires_at")
        return Stored(
            key.kind.from_json(json.loads(text)),
            int(item["version"]["N"]),
            None if expires_at is None else int(expires_at["N"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
        raise Broken(f"stored {key.kind.name} is unreadable ({type(error).__name__})") from None


def action_of(write: Write, *, table: str, now: int) -> tuple[Verb, dict[str, Any]]:
    """A write as DynamoDB takes it, alone or within a transaction."""
    match write:
        case Put(condition=AtVersion(version)):
            return "Put", {
                "TableName": table,
                "Item": item_of(write, version=version + 1),
                **_condition_of(write.condition, now=now),
                # To tell our own write, whose reply was lost, from another's.
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        case Put():
            return "Update", {"TableName": table, "Key": key_of(write.key), **_save(write)}
        case Delete():
            return "Delete", {
                "TableName": table,
                "Key": key_of(write.key),
                **_condition_of(write.condition, now=now),
            }
        case Check():
            return "ConditionCheck", {
                "TableName": table,
                "Key": key_of(write.key),
                **_condition_of(write.condition, now=now),
            }


def same_save(wanted: Item, found: Item | None) -> bool:
    """Whether what stands there is exactly what we wanted to save."""
    return (
        found is not None
        and found.get("version") == wanted["version"]
        and found.get("body") == wanted["body"]
    )


def _condition_of(condition: Condition | Present, *, now: int) -> dict[str, Any]:
    match condition:
        case AtVersion(0):
            # TTL deletes days late: what has expired is as good as absent.
            return {
                "ConditionExpression": "attribute_not_exists(pk) OR expires_at <= :now",
                "ExpressionAttributeValues": {":now": {"N": str(now)}},
            }
        case AtVersion(version):
            return {
                "ConditionExpression": "version = :version",
                "ExpressionAttributeValues": {":version": {"N": str(version)}},
            }
        case Present():
            return {
                "ConditionExpression": (
                    "attribute_exists(pk) AND "
                    "(attribute_not_exists(expires_at) OR expires_at > :now)"
                ),
                "ExpressionAttributeValues": {":now": {"N": str(now)}},
            }
        case Whatever():
            return {}


def _save(put: Put[Any]) -> dict[str, Any]:
    """Save without a condition, and still count the version up: an update, not a put.

    A put would start again at version 1, and somebody who read an earlier version 1 could then
    overwrite what they never saw.
    """
    present = {"body": _body_of(put), **_index_of(put.key.kind.index(put.value))}
    absent = [n for n in INDEX_ATTRIBUTES.get(put.key.kind.table, ()) if n not in present]
    if put.expires_at is None:
        absent.append("expires_at")
    else:
        present["expires_at"] = {"N": str(put.expires_at)}
    sets = ", ".join(f"{name} = :{name}" for name in present)
    removes = f" REMOVE {', '.join(absent)}" if absent else ""
    values: dict[str, Any] = {f":{name}": value for name, value in present.items()}
    return {
        "UpdateExpression": f"SET {sets}{removes} ADD version :one",
        "ExpressionAttributeValues": {**values, ":one": {"N": "1"}},
    }


def _body_of(put: Put[Any]) -> dict[str, Any]:
    body = canonical_json(put.key.kind.to_json(put.value))
    return {"B": pack(body)} if put.key.kind.compressed else {"S": body.decode()}


def _index_of(attributes: IndexAttributes) -> dict[str, dict[str, str]]:
    return {
        name: {"S": value} if isinstance(value, str) else {"N": str(value)}
        for name, value in attributes.items()
    }
