"""The indexes of the template's tables, as far as writes to them are billed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ops.cost.units import Index
from ops.resources import physical_name
from ops.template import resources_of


def template_indexes(template: Mapping[str, Any], *, prefix: str) -> dict[str, list[Index]]:
    """The indexes of each table by its physical name; all of them project keys alone."""
    found: dict[str, list[Index]] = {}
    for name, properties in resources_of(template, "AWS::DynamoDB::Table"):
        own = tuple(each["AttributeName"] for each in properties["KeySchema"])
        indexes = found.setdefault(physical_name(name, prefix=prefix), [])
        for each in properties.get("GlobalSecondaryIndexes", ()):
            if each["Projection"]["ProjectionType"] != "KEYS_ONLY":
                raise ValueError(f"{name}.{each['IndexName']}: only KEYS_ONLY can be counted")
            keys = tuple(key["AttributeName"] for key in each["KeySchema"])
            indexes.append(Index(each["IndexName"], keys, tuple(dict.fromkeys((*keys, *own)))))
    return found
