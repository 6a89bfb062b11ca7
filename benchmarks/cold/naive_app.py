"""The peer as one would first write it: one module that imports what it needs and is ready."""

from pathlib import Path
from typing import Any

import boto3
import joblib
import pandas as pd
from chalice.app import Chalice
from pydantic import BaseModel

ARTEFACT = Path(__file__).resolve().parents[2] / "model_artifacts" / "cdnow-1.0.0"
MODEL = joblib.load(ARTEFACT / "model.joblib")  # loads the scikit-learn that it was pickled with
NAMES = ("recency_days", "frequency", "monetary_minor", "tenure_days", "mean_gap_days")
TABLE = boto3.client("dynamodb")
# A first row scored, so that it is known to work: ours runs the self-test of its document.
READY = [
    pipeline.predict(pd.DataFrame([dict.fromkeys(NAMES, 1.0)]).to_numpy())
    for pipeline in MODEL.values()
]
app = Chalice(app_name="naive", configure_logs=False)


class Line(BaseModel):
    """A line of the cart."""

    sku: str
    quantity: int
    unit_price: int


class Checkout(BaseModel):
    """What a checkout sends."""

    customer_id: str
    lines: list[Line]


@app.route("/v1/decisions", methods=["POST"])
def decide() -> dict[str, Any]:
    """Read the customer's features, score them, and answer."""
    request = app.current_request
    checkout = Checkout.model_validate(request.json_body if request is not None else {})
    item = TABLE.get_item(TableName="profiles", Key={"pk": {"S": checkout.customer_id}})["Item"]
    row = pd.DataFrame([{name: float(item[name]["N"]) for name in NAMES}])
    return {"segment": int(MODEL["segment"].predict(row.to_numpy())[0])}
