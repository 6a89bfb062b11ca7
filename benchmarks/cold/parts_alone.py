"""The parts that Segue is built on and nothing else: Chalice, pydantic, one botocore client."""

import botocore.session
from chalice.app import Chalice
from pydantic import BaseModel

app = Chalice(app_name="parts", configure_logs=False)
client = botocore.session.Session().create_client("dynamodb")


class Checkout(BaseModel):
    """One model."""

    customer_id: str
    quantity: int


@app.route("/v1/decisions", methods=["POST"])
def decide() -> dict[str, str]:
    """Answer an empty object."""
    return {}
