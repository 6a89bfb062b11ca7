"""The peer: a Chalice handler as one would first write it.

The pipeline is unpickled once, at import, and scikit-learn scores each request. It does less than
ours: no record, no reasons, no law, no stickiness, no quote, no log, no metrics, no scope.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # its threads cost more than they bring for one row

import joblib
import numpy as np
from chalice.app import BadRequestError, Chalice

from chalicelib.core.facts import Facts
from chalicelib.core.features import describe

ARTEFACT = Path(__file__).resolve().parent.parent / "model_artifacts" / "cdnow-1.0.0"
MODEL = joblib.load(ARTEFACT / "model.joblib")

app = Chalice(app_name="naive", configure_logs=False)
facts_by_customer: dict[str, Facts] = {}
moment = 0


@app.route("/v1/decisions", methods=["POST"])
def decide() -> dict[str, Any]:
    """Score, and give ten percent to whoever is likely to stay away."""
    request = app.current_request
    if request is None or "customer_id" not in request.json_body:
        raise BadRequestError("customer_id is required")
    asked = request.json_body
    facts = facts_by_customer[asked["customer_id"]]
    features = describe(facts, as_of=moment, currency="USD")
    row = np.array([features.as_tuple()], dtype=float)
    segment = int(MODEL["segment"].predict(row)[0])
    churn = float(MODEL["churn"].predict_proba(row)[0, 1])
    expected_orders = float(MODEL["expected_orders"].predict(row)[0])
    discount = 10 if churn > 0.6 else 0
    lines = [
        {**line, "unit_price": line["unit_price"] * (100 - discount) // 100}
        for line in asked["cart"]["lines"]
    ]
    return {
        "customer_id": asked["customer_id"],
        "segment": segment,
        "scores": {"churn": churn, "expected_orders": expected_orders},
        "price": {
            "lines": lines,
            "total": sum(line["quantity"] * line["unit_price"] for line in lines),
        },
    }
