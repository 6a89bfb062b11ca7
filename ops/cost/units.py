"""How DynamoDB counts what it bills: sizes of items, read and write units, index entries.

A write unit is 1 KB and a strongly consistent read unit 4 KB of one item, rounded up; a transaction
takes every unit twice; a write that finds its condition broken is billed all the same. From AWS's
"DynamoDB item sizes and formats" and "Read and write operations".

>>> write_units(1024), write_units(1025), write_units(3000, transactional=True)
(1, 2, 6)
>>> read_units(4097), read_units(0, consistent=False)
(2, 0.5)
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WRITE_UNIT_BYTES = 1024
READ_UNIT_BYTES = 4096
# What an item and every index entry take beside their own size, when storage is billed.
OVERHEAD_BYTES = 100

Attribute = Mapping[str, Any]
Item = Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class Index:
    """A global secondary index that projects keys alone.

    Attributes:
        name: its name.
        keys: the attributes that are its key.
        projected: every attribute of an entry: its own key and the table's.
    """

    name: str
    keys: tuple[str, ...]
    projected: tuple[str, ...]

    def entry(self, item: Item | None) -> dict[str, Attribute] | None:
        """The entry of an item; None where it lacks one of the keys."""
        if item is None or any(name not in item for name in self.keys):
            return None
        return {name: item[name] for name in self.projected}


def item_bytes(item: Item) -> int:
    """The size of an item: names and values of all its attributes."""
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


def value_bytes(value: Attribute) -> int:
    """The size of one value in DynamoDB's own JSON; raises ValueError for an unknown type."""
    [(kind, held)] = value.items()
    match kind:
        case "S":
            return len(held.encode())
        case "N":
            return number_bytes(held)
        case "B":
            return len(held) if isinstance(held, bytes) else len(base64.b64decode(held))
        case "BOOL" | "NULL":
            return 1
        case "SS":
            return sum(len(each.encode()) for each in held)
        case "L":
            return 3 + sum(1 + value_bytes(each) for each in held)
        case "M":
            return 3 + sum(1 + len(n.encode()) + value_bytes(v) for n, v in held.items())
    raise ValueError(f"no size is known for a value of type {kind}")


def number_bytes(text: str) -> int:
    """A number: a byte for every two significant digits, and one more; one for a minus sign."""
    digits = text.lstrip("-").replace(".", "").strip("0") or "0"
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")


def read_units(size_bytes: int, *, consistent: bool = True) -> float:
    """Units of one item, or of all the items of a query together; nothing found is one as well."""
    units = max(1, _up(size_bytes, READ_UNIT_BYTES))
    return units if consistent else units / 2


def write_units(size_bytes: int, *, transactional: bool = False) -> int:
    """Units of one write; the size is the larger of the item's before and after."""
    return max(1, _up(size_bytes, WRITE_UNIT_BYTES)) * (2 if transactional else 1)


def save_units(before: Item | None, after: Item | None, *, transactional: bool) -> int:
    """Units of the table for a write that leads from one item to another; None is no item."""
    larger = max(item_bytes(item) if item else 0 for item in (before, after))
    return write_units(larger, transactional=transactional)


def index_units(before: Item | None, after: Item | None, indexes: Sequence[Index]) -> int:
    """Units of the indexes for the same write; they follow the table, so never twice.

    An entry that comes or goes is one write, one whose key changes two, and one that stays as it
    is none: nothing but keys is projected.
    """
    units = 0
    for index in indexes:
        entries = (index.entry(before), index.entry(after))
        if entries[0] != entries[1]:
            units += sum(write_units(item_bytes(entry)) for entry in entries if entry is not None)
    return units


def stored_bytes(item: Item | None, indexes: Sequence[Index]) -> int:
    """What an item takes of the storage that is billed, its index entries included."""
    if item is None:
        return 0
    entries = [each for each in (index.entry(item) for index in indexes) if each is not None]
    return sum(item_bytes(each) + OVERHEAD_BYTES for each in (item, *entries))


def _up(size_bytes: int, unit_bytes: int) -> int:
    return -(-size_bytes // unit_bytes)
