"""The descriptions of DynamoDB and SSM that ship: botocore's own, less what nothing here calls.

``python -m ops.descriptions`` writes them anew from the locked botocore, and a test says when that
is due. DynamoDB's is 20 KB of 556, SSM's 2 KB of 944: a cold start reads both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import botocore.loaders

from chalicelib.aws.service_models import DESCRIPTIONS

OPERATIONS: Mapping[str, Sequence[str]] = {
    "dynamodb": (
        *("BatchGetItem", "DeleteItem", "PutItem", "Query", "TransactWriteItems", "UpdateItem"),
        "DescribeEndpoints",  # botocore asks every client of DynamoDB for it
    ),
    "ssm": ("GetParameter",),
}
# The keys of a read hold text alone, which JSON has as it is. Said to be a document, they are not
# walked shape by shape, twenty keys a checkout: a twentieth of its two calls.
AS_THEY_ARE: Mapping[str, Sequence[str]] = {"dynamodb": ("BatchGetRequestMap",)}
_DOCUMENT = {"type": "structure", "members": {}, "document": True}


def described(service: str) -> Iterator[tuple[Path, bytes]]:
    """The file of a service's description, and what it must hold."""
    loader = botocore.loaders.create_loader()
    version = loader.determine_latest_version(service, "service-2")
    whole = loader.load_service_model(service, "service-2", version)
    operations = {name: whole["operations"][name] for name in OPERATIONS[service]}
    known = {**whole["shapes"], **dict.fromkeys(AS_THEY_ARE.get(service, ()), _DOCUMENT)}
    wanted = _shapes_under(operations, known)
    shapes = {name: shape for name, shape in known.items() if name in wanted}
    short = _undocumented({**whole, "operations": operations, "shapes": shapes})
    text = json.dumps(short, separators=(",", ":")) + "\n"
    yield DESCRIPTIONS / service / version / "service-2.json", text.encode()


def _shapes_under(operations: Any, shapes: Mapping[str, Any]) -> set[str]:
    """The names of all shapes that operations need, directly or within others."""
    found: set[str] = set()
    waiting = list(_named(operations))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _named(shapes[name])
    return found


def _named(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(part.get("shape"), str):
            yield part["shape"]
        for each in part.values():
            yield from _named(each)
    elif isinstance(part, list):
        for each in part:
            yield from _named(each)


def _undocumented(part: Any) -> Any:
    if isinstance(part, Mapping):
        return {
            name: _undocumented(each)
            for name, each in part.items()
            if not (name == "documentation" and isinstance(each, str))
        }
    return [_undocumented(each) for each in part] if isinstance(part, list) else part


if __name__ == "__main__":
    for name in OPERATIONS:
        for path, content in described(name):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
