"""What a key says of its file: what it holds, how it is packed, and which columns it must have."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from chalicelib.core.errors import BadInput
from chalicelib.core.features import FEATURE_NAMES
from chalicelib.files.layout import ColumnType, FileFormat, Layout
from chalicelib.files.unpack import FileRefused

if TYPE_CHECKING:
    from chalicelib.files.mapping import Mapping as Legacy

_TYPES: Mapping[str, ColumnType] = {
    "order_id": "text",
    "customer_id": "text",
    "ordered_at": "moment",
    "quantity": "whole",
    "currency": "text",
    "unit_price": "amount",
    "amount": "amount",
    "sku": "text",
    "status": "text",
}
_AMOUNTS = ("unit_price", "amount")
_CUSTOMER_TYPES: Mapping[str, ColumnType] = {
    "customer_id": "text",
    "email": "text",
    "first_name": "text",
    "country": "text",
    "region": "text",
    "time_zone": "text",
    "consent_transactional": "flag",
    "consent_marketing_email": "flag",
    "consent_profiling": "flag",
    "consent_personalised_pricing": "flag",
}
_CATALOGUE_TYPES: Mapping[str, ColumnType] = {
    "sku": "text",
    "title": "text",
    "category": "text",
    "currency": "text",
    "base_price": "amount",
    "floor_price": "amount",
    "stock": "whole",
}
_FEATURE_TYPES: Mapping[str, ColumnType] = {
    "customer_id": "text",
    **dict.fromkeys(FEATURE_NAMES, "number"),
    "consent_profiling": "flag",
}
_FORMATS: Mapping[str, FileFormat] = {
    ".csv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}


class DropKind(Enum):
    """What a file holds."""

    CUSTOMERS = "customers"
    ORDERS = "orders"
    CATALOG = "catalog"
    FEATURES = "features"


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
    if kind is DropKind.ORDERS and len(folders) == 1:
        return _legacy_plan(folders[0], mapping, file_format, compressed)
    if folders:
        raise FileRefused.of("key", f"must be {prefix}/FILE")
    return Plan(kind, _canonical_layout(kind, file_format), compressed)


def _canonical_layout(kind: DropKind, file_format: FileFormat) -> Layout:
    match kind:
        case DropKind.ORDERS:
            # Late, for only orders have a mapping.
            from chalicelib.files.mapping import CANONICAL_COLUMNS  # noqa: PLC0415

            types = {str(name): _TYPES[name] for name in CANONICAL_COLUMNS}
            needed = [(str(name),) for name in CANONICAL_COLUMNS[:5]]
            required = [*needed, ("unit_price", "amount")]
            return Layout(file_format, types, {}, required, identity="order_id")
        case DropKind.CUSTOMERS:
            return Layout(file_format, _CUSTOMER_TYPES, {}, [["customer_id"]], supplied=True)
        case DropKind.CATALOG:
            required = [("sku",), ("base_price",), ("currency",)]
            return Layout(file_format, _CATALOGUE_TYPES, {}, required)
        case DropKind.FEATURES:
            return features_layout(file_format)


def features_layout(file_format: FileFormat) -> Layout:
    """One row a customer, with what the model sees of them; other columns are not read."""
    required = [[name] for name in ("customer_id", *FEATURE_NAMES)]
    return Layout(file_format, _FEATURE_TYPES, {}, required)


def _format(name: str) -> tuple[FileFormat, bool]:
    compressed = name.lower().endswith(".gz")
    stem = name.lower().removesuffix(".gz")
    if compressed and stem.endswith(".parquet"):
        raise FileRefused.of("key", "must end with .parquet alone: Parquet is compressed by itself")
    for suffix, file_format in _FORMATS.items():
        if stem.endswith(suffix):
            return file_format, compressed
    raise FileRefused.of("key", f"must end with {', '.join(_FORMATS)}, or a text with .gz")


def _legacy_plan(
    name: str,
    mapping: Callable[[str], Mapping[str, Any] | None],
    file_format: FileFormat,
    compressed: bool,
) -> Plan:
    from chalicelib.files.mapping import mapping_from_json  # noqa: PLC0415  (as above)

    document = mapping(name)
    if document is None:
        # The reason is logged, so it does not quote the key, in which a name may stand.
        raise FileRefused.of("key", "names a mapping that does not exist; see policies/mappings/")
    try:
        legacy = mapping_from_json(document)
    except BadInput as error:
        raise FileRefused(*error.errors) from None
    if file_format != "csv" and not legacy.header:
        raise FileRefused.of("key", f"names the mapping {name!r}, which knows columns by position")
    typed = legacy.thousands is None and (file_format == "csv" or legacy.decimal == ".")
    layout = Layout(
        format=file_format,
        # Where DuckDB does not know how the export writes amounts, they are read as text first.
        columns={
            field: "spelt" if field in _AMOUNTS and not typed else _TYPES[field]
            for field in legacy.columns
        },
        names={theirs: ours for ours, theirs in legacy.columns.items()},
        required=[(field,) for field in legacy.columns],
        delimiter=legacy.delimiter,
        header=legacy.header,
        decimal=legacy.decimal,
        identity="order_id",
    )
    return Plan(DropKind.ORDERS, layout, compressed, legacy.encoding, legacy)


def legacy_of(plan: Plan, moments: Container[str]) -> Legacy | None:
    """How the export looks, where a typed column says its moments itself in no format but ISO's."""
    if plan.legacy is None or "ordered_at" not in moments:
        return plan.legacy
    return plan.legacy.model_copy(update={"date_format": None})
