"""DynamoDB on loopback for pages: as ``benchmarks.stub``, and it answers queries of indexes.

Which attributes an index is made of stands in the template that is deployed. What is put stays,
so that decisions that were made here can be looked at. A scan, or a query that filters what it has
read, is refused: no page may ask for one.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.stub import Memory, serve
from ops.places import RESOURCES

Item = dict[str, Any]
_TERM = re.compile(
    r"(?P<name>#?\w+) (?P<is>=|<=|>=|<|>) (?P<one>:\w+)"
    r"|(?P<within>#?\w+) BETWEEN (?P<low>:\w+) AND (?P<high>:\w+)"
    r"|begins_with\((?P<begun>#?\w+), ?(?P<start>:\w+)\)"
)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


def index_keys(template: Mapping[str, Any]) -> dict[tuple[str, str | None], tuple[str, str]]:
    """The attributes that each table (None) and index is ordered by: of partitions, and within."""
    found: dict[tuple[str, str | None], tuple[str, str]] = {}
    for name, resource in template["Resources"].items():
        if resource.get("Type") != "AWS::DynamoDB::Table":
            continue
        table, properties = name.removesuffix("Table").lower(), resource["Properties"]
        found[table, None] = _key(properties["KeySchema"])
        for index in properties.get("GlobalSecondaryIndexes", ()):
            found[table, index["IndexName"]] = _key(index["KeySchema"])
    return found


def _key(schema: list[Mapping[str, str]]) -> tuple[str, str]:
    names = [each["AttributeName"] for each in schema]
    return names[0], names[-1]


class Shelf(Memory):
    """Items that can be found by key and by index."""

    def __init__(self, items: dict[str, list[Item]], keys: Mapping[Any, tuple[str, str]]) -> None:
        """Take the items by table, and what each index is ordered by."""
        super().__init__(items)
        self._keys = keys
        self._rows: dict[str, list[Item]] = defaultdict(list, items)
        self._sorted: dict[tuple[str, str | None], dict[Any, list[Item]]] = {}

    def answer(self, operation: str, body: bytes) -> dict[str, Any]:
        """What AWS would say, for the calls that a page makes."""
        match operation:
            case "Query":
                self.counts[operation] += 1
                return self._query(json.loads(body))
            case "PutItem":
                self._keep(json.loads(body))
            case "TransactWriteItems":
                for action in json.loads(body)["TransactItems"]:
                    if "Put" in action:
                        self._keep(action["Put"])
        return super().answer(operation, body)

    def _keep(self, put: Mapping[str, Any]) -> None:
        item = put["Item"]
        self._items[put["TableName"], item["pk"]["S"], item["sk"]["S"]] = item
        self._rows[put["TableName"]].append(item)
        self._sorted.clear()

    def _query(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if "FilterExpression" in asked:
            raise ValueError("a page reads what it throws away")
        table, index = asked["TableName"], asked.get("IndexName")
        partition, order = self._keys[table, index]
        terms = _terms(asked)
        [wanted] = [value for name, _, value in terms if name == partition]
        within = [(compare, value) for name, compare, value in terms if name != partition]
        rows = self._partitions(table, index).get(wanted, [])
        if within:  # the rest of a condition is always on what the index is ordered by
            rows = [
                row for row in rows if all(is_so(_plain(row[order]), to) for is_so, to in within)
            ]
        if not asked.get("ScanIndexForward", True):
            rows = rows[::-1]
        begin = 0
        if "ExclusiveStartKey" in asked:
            names = [(item["pk"], item["sk"]) for item in rows]
            begin = names.index(
                (asked["ExclusiveStartKey"]["pk"], asked["ExclusiveStartKey"]["sk"])
            )
            begin += 1
        page = rows[begin : begin + asked.get("Limit", len(rows))]
        told: dict[str, Any] = {"Items": page, "Count": len(page)}
        if begin + len(page) < len(rows):
            told["LastEvaluatedKey"] = {
                name: page[-1][name] for name in ("pk", "sk", partition, order) if name in page[-1]
            }
        return told

    def _partitions(self, table: str, index: str | None) -> dict[Any, list[Item]]:
        if (table, index) not in self._sorted:
            partition, order = self._keys[table, index]
            found: dict[Any, list[Item]] = defaultdict(list)
            for item in self._rows[table]:
                if partition in item and order in item:
                    found[_plain(item[partition])].append(item)
            for rows in found.values():
                rows.sort(key=lambda item: (_plain(item[order]), item["pk"]["S"]))
            self._sorted[table, index] = found
        return self._sorted[table, index]


def _terms(asked: Mapping[str, Any]) -> list[tuple[str, Callable[[Any, Any], bool], Any]]:
    """The terms of a key condition: attribute, comparison, value."""
    names, values = asked.get("ExpressionAttributeNames", {}), asked["ExpressionAttributeValues"]
    found: list[tuple[str, Callable[[Any, Any], bool], Any]] = []
    for term in _TERM.finditer(asked["KeyConditionExpression"]):
        name = term["name"] or term["within"] or term["begun"]
        name = names.get(name, name)
        if term["one"]:
            found.append((name, _COMPARE[term["is"]], _plain(values[term["one"]])))
        elif term["low"]:
            found.append((name, _COMPARE[">="], _plain(values[term["low"]])))
            found.append((name, _COMPARE["<="], _plain(values[term["high"]])))
        else:
            found.append((name, str.startswith, _plain(values[term["start"]])))
    if not found:
        raise ValueError(f"no key condition: {asked['KeyConditionExpression']}")
    return found


def _plain(value: Mapping[str, Any]) -> Any:
    [(kind, held)] = value.items()
    return float(held) if kind == "N" else held


if __name__ == "__main__":
    keys = index_keys(json.loads(RESOURCES.read_text()))
    asyncio.run(serve(Shelf(json.loads(Path(sys.argv[1]).read_text()), keys)))
