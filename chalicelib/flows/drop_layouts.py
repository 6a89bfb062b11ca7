"""What a key says of its file: what it holds, how it is packed, and which columns it must have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from chalicelib.core.errors import BadInput
from chalicelib.files.mapping import CANONICAL_COLUMNS, mapping_from_json
from chalicelib.files.mapping import Mapping as Legacy
from chalicelib.files.reader import ColumnType, FileFormat, Layout
from chalicelib.files.unpack import FileRefused

_TYPES: Mapping[str, ColumnType] = {
    "order_id": "VARCHAR",
    "customer_id": "VARCHAR",
    "ordered_at": "VARCHAR",
    "quantity": "BIGINT",
    "currency": "VARCHAR",
    "unit_price": "DECIMAL(18,4)",
    "amount": "DECIMAL(18,4)",
    "sku": "VARCHAR",
    "status": "VARCHAR",
}
_CUSTOMER_TYPES: Mapping[str, ColumnType] = {
    "customer_id": "VARCHAR",
    "email": "VARCHAR",
    "first_name": "VARCHAR",
    "country": "VARCHAR",
    "region": "VARCHAR",
    "time_zone": "VARCHAR",
    "consent_transactional": "BOOLEAN",
    "consent_marketing_email": "BOOLEAN",
    "consent_profiling": "BOOLEAN",
    "consent_personalised_pricing": "BOOLEAN",
}
_CATALOGUE_TYPES: Mapping[str, ColumnType] = {
    "sku": "VARCHAR",
    "title": "VARCHAR",
    "category": "VARCHAR",
    "currency": "VARCHAR",
    "base_price": "DECIMAL(18,4)",
    "floor_price": "DECIMAL(18,4)",
    "stock": "BIGINT",
}
_FORMATS: Mapping[str, FileFormat] = {
    ".csv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}


class DropKind(Enum):
    """What a file holds."""

    CUSTOMERS = "customers"
    ORDERS = "orders"
    CATALOG = "catalog"


@dataclass(frozen=True, slots=True)
class Plan:
    """How one file is to be read."""

    kind: DropKind
    layout: Layout
    compressed: bool
    encoding: str = "utf-8"
    legacy: Legacy | None = None


def plan_for(key: str, mapping: Callable[[str], Mapping[str, Any] | None]) -> Plan:
    """Read a key such as ``orders/cdnow/1998.csv.gz``; raises FileRefused saying what is wrong."""
    if not key.isprintable() or ".." in key.split("/"):
        raise FileRefused.of("key", "must not hold control characters or ..")
    prefix, *folders, name = key.split("/") if "/" in key else ["", key]
    kinds = {kind.value: kind for kind in DropKind}
    if prefix not in kinds or not name:
        raise FileRefused.of("key", f"must begin with {', '.join(f'{each}/' for each in kinds)}")
    kind = kinds[prefix]
    file_format, compressed = _format(name)
    required: list[Sequence[str]]
    match kind:
        case DropKind.ORDERS if len(folders) == 1:
            return _legacy_plan(folders[0], mapping, file_format, compressed)
        case _ if folders:
            raise FileRefused.of("key", f"must be {prefix}/FILE")
        case DropKind.ORDERS:
            required = [*([name] for name in CANONICAL_COLUMNS[:5]), ["unit_price", "amount"]]
            types = {str(name): _TYPES[name] for name in CANONICAL_COLUMNS}
        case DropKind.CUSTOMERS:
            required, types = [["customer_id"]], dict(_CUSTOMER_TYPES)
        case DropKind.CATALOG:
            required, types = [["sku"], ["base_price"], ["currency"]], dict(_CATALOGUE_TYPES)
    return Plan(kind, Layout(file_format, types, {}, required), compressed)


def _format(name: str) -> tuple[FileFormat, bool]:
    compressed = name.endswith(".gz")
    stem = name.removesuffix(".gz")
    for suffix, file_format in _FORMATS.items():
        if stem.endswith(suffix):
            return file_format, compressed
    raise FileRefused.of("key", f"must end with {', '.join(_FORMATS)}, or one of these and .gz")


def _legacy_plan(
    name: str,
    mapping: Callable[[str], Mapping[str, Any] | None],
    file_format: FileFormat,
    compressed: bool,
) -> Plan:
    document = mapping(name)
    if document is None:
        raise FileRefused.of("key", f"names the mapping {name[:64]!r}, which does not exist")
    try:
        legacy = mapping_from_json(document)
    except BadInput as error:
        raise FileRefused(*error.errors) from None
    layout = Layout(
        format=file_format,
        columns={field: _TYPES[field] for field in legacy.columns},
        names={theirs: ours for ours, theirs in legacy.columns.items()},
        required=[(field,) for field in legacy.columns],
        delimiter=legacy.delimiter,
        header=legacy.header,
        decimal=legacy.decimal,
    )
    return Plan(DropKind.ORDERS, layout, compressed, legacy.encoding, legacy)
