"""What differs between two policies, field by field; items of a list go by their name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json

# By which of its fields an item of a list is known, the first that it has.
_NAMES = ("id", "name", "segment")


class Change(NamedTuple):
    """A field that differs; ``before`` or ``after`` is None where there is no such field."""

    path: str
    before: str | None
    after: str | None


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Every field that differs, in the order of the documents.

    >>> changes({"a": 1, "b": [{"id": "x", "c": 1}]}, {"a": 1, "b": [{"id": "x", "c": 2}]})
    [Change(path='b[x].c', before='1', after='2')]
    """
    old, new = dict(flat(before)), dict(flat(after))
    paths = dict.fromkeys([*old, *new])
    return [
        Change(path, old.get(path), new.get(path))
        for path in paths
        if old.get(path) != new.get(path)
    ]


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of a document with the path that leads to it."""
    match value:
        case Mapping() if value:
            for name, each in value.items():
                yield from flat(each, f"{path}.{name}" if path else str(name))
        case [*items] if items and all(isinstance(each, Mapping) for each in items):
            for name, each in zip(_item_names(items), items, strict=True):
                yield from flat(each, f"{path}[{name}]")
        case _:
            yield path, to_json(value).decode()


def _item_names(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """The items' own names where each has one of its own, else their places."""
    for key in _NAMES:
        names = [str(each.get(key, "")) for each in items]
        if all(names) and len(set(names)) == len(names):
            return names
    return [str(place) for place in range(len(items))]
