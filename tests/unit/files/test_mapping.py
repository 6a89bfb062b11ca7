"""The document that says how a legacy export looks is closed, and its errors name the place."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.errors import BadInput
from chalicelib.documents import Documents
from chalicelib.files.mapping import mapping_from_json

PLAIN: dict[str, Any] = {
    "currency": "USD",
    "columns": {"customer_id": "who", "ordered_at": "when", "amount": "worth"},
}


def test_every_shipped_mapping_is_valid() -> None:
    """What lies in policies/mappings can be used as it is."""
    documents = Documents()

    assert {"cdnow", "cdnow-original", "semicolon-latin1"} <= set(documents.mapping_names)
    for name in documents.mapping_names:
        document = documents.mapping(name)
        assert document is not None
        assert mapping_from_json(document).columns


def _with(**changes: Any) -> dict[str, Any]:
    columns = {**PLAIN["columns"], **changes.pop("columns", {})}
    return {**PLAIN, **changes, "columns": {k: v for k, v in columns.items() if v is not None}}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (_with(surprise=1), "surprise"),
        (_with(columns={"colour": "x"}), "columns.colour.[key]"),
        (_with(columns={"customer_id": None}), "columns.customer_id"),
        (_with(columns={"ordered_at": None}), "columns.ordered_at"),
        (_with(columns={"amount": None}), "columns"),
        (_with(columns={"unit_price": "each"}), "columns"),
        (_with(columns={"amount": None, "unit_price": "each"}), "columns.quantity"),
        (_with(columns={"sku": 4}), "columns.sku"),
        (_with(columns={"sku": "who"}), "columns"),
        (_with(columns={"status": "state"}), "columns.status"),
        (_with(header=False), "columns.customer_id"),
        (_with(currency=None), "currency"),
        (_with(currency="usd"), "currency"),
        (_with(columns={"currency": "cur"}), "currency"),
        (_with(delimiter='"'), "delimiter"),
        (_with(delimiter="ab"), "delimiter"),
        (_with(delimiter="\n"), "delimiter"),
        (_with(encoding="rot13"), "encoding"),
        (_with(decimal=";"), "decimal"),
        (_with(decimal=",", thousands=","), "thousands"),
        (_with(header="yes"), "header"),
        (_with(time_zone="Mars/Olympus"), "time_zone"),
        (_with(time_zone="../../etc/passwd"), "time_zone"),
        (_with(returns={"negative_quantity": True}), "columns.order_id"),
        (
            _with(
                columns={"order_id": "no", "status": "s"},
                returns={"cancelled_statuses": ["x"], "returned_statuses": ["x"]},
            ),
            "returns",
        ),
        (
            _with(columns={"order_id": "no"}, returns={"cancelled_statuses": ["x"]}),
            "columns.status",
        ),
    ],
)
def test_an_error_names_its_path(document: dict[str, Any], field: str) -> None:
    """Whoever wrote the document finds the line."""
    with pytest.raises(BadInput) as refused:
        mapping_from_json(document)

    assert field in [error.field for error in refused.value.errors]
    assert all(error.problem for error in refused.value.errors)
