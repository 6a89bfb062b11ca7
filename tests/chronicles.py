"""The streams of decisions and effects as Lambda hands them over, and what comes of them."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chalicelib.aws.items import item_of
from chalicelib.core.effects import Effect
from chalicelib.core.kinds import EFFECT, MESSAGE, RECORD
from chalicelib.core.storage import Put
from chalicelib.flows.chronicle import DECISIONS, ChroniclePorts
from tests.fakes import SIGNING_KEYS, MemoryObjects, MemoryStore

BUCKET = "results"
FIRST = 111_649_000_000_000_000_000_001
Json = dict[str, Any]


def ports(store: Any, objects: Any) -> ChroniclePorts:
    """What the flow is given."""
    return ChroniclePorts(store, objects, BUCKET, SIGNING_KEYS.address_secret, "USD")


def records_event(records: Iterable[Mapping[str, Any]], *, first: int = FIRST) -> Json:
    """New decision records, numbered from ``first``."""
    puts = [Put(RECORD.key(each["decision_id"]), each) for each in records]
    return {"Records": [_inserted(put, first + n) for n, put in enumerate(puts)]}


def effects_event(effects: Iterable[Effect], *, first: int = FIRST) -> Json:
    """New effects."""
    puts = [Put(EFFECT.key(each.effect_id), each) for each in effects]
    return {"Records": [_inserted(put, first + n) for n, put in enumerate(puts)]}


def change_event(*changed: Put[Any], stored_at: int, first: int = FIRST) -> Json:
    """Things that were stored over what stood there."""
    records = [_inserted(put, first + n, stored_at) for n, put in enumerate(changed)]
    return {"Records": [{**each, "eventName": "MODIFY"} for each in records]}


def messages_event(*message_ids: str, stored_at: int, first: int = FIRST) -> Json:
    """New messages, of whom the stream of profiles says their keys alone."""
    puts = [Put(MESSAGE.key(each), {"source": "x"}) for each in message_ids]
    records = [_inserted(put, first + n, stored_at) for n, put in enumerate(puts)]
    for each in records:
        del each["dynamodb"]["NewImage"]
    return {"Records": records}


def _inserted(put: Put[Any], number: int, stored_at: int = 0) -> Json:
    image: Json = item_of(put, version=1)
    if "B" in image["body"]:
        image["body"] = {"B": b64encode(image["body"]["B"]).decode()}
    change = {
        "Keys": {name: image[name] for name in ("pk", "sk")},
        "NewImage": image,
        "SequenceNumber": str(number),
        "ApproximateCreationDateTime": float(stored_at),
    }
    inserted: Json = json.loads(json.dumps({"eventName": "INSERT", "dynamodb": change}))
    return inserted


def logged(objects: MemoryObjects) -> list[Json]:
    """Every line of the decision log, file by file."""
    return [
        json.loads(line)
        for key in objects.keys(BUCKET)
        if key.startswith(f"{DECISIONS}/")
        for line in gzip.decompress(objects.body(BUCKET, key)).splitlines()
    ]


def decided(store: MemoryStore) -> Sequence[Mapping[str, Any]]:
    """Every decision record of a store, oldest first."""
    return sorted(store.all("record").values(), key=lambda each: str(each["decision_id"]))
