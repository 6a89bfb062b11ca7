"""A peer on FastAPI and uvicorn, as one would first write it: scikit-learn scores each request.

``python fastapi_peer.py FEATURES.json MODEL.joblib`` runs in the environment .bench, prints its
port and serves until its standard input ends.
"""

import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # its threads cost more than they bring for one row

import joblib
import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

MODEL = joblib.load(sys.argv[2])
FEATURES: dict[str, list[float | None]] = json.loads(Path(sys.argv[1]).read_text())
app = FastAPI()


class Line(BaseModel):
    """A line of the cart."""

    sku: str
    quantity: int
    unit_price: int


class Cart(BaseModel):
    """What the customer is about to buy."""

    lines: list[Line]


class Checkout(BaseModel):
    """What a checkout sends, as far as it is read."""

    customer_id: str
    cart: Cart


@app.post("/v1/decisions")
def decide(asked: Checkout) -> dict[str, Any]:
    """Score, and give ten percent to whoever is likely to stay away."""
    row = np.array([FEATURES[asked.customer_id]], dtype=float)
    churn = float(MODEL["churn"].predict_proba(row)[0, 1])
    discount = 10 if churn > 0.6 else 0
    lines = [
        {**line.model_dump(), "unit_price": line.unit_price * (100 - discount) // 100}
        for line in asked.cart.lines
    ]
    return {
        "customer_id": asked.customer_id,
        "segment": int(MODEL["segment"].predict(row)[0]),
        "scores": {
            "churn": churn,
            "expected_orders": float(MODEL["expected_orders"].predict(row)[0]),
        },
        "price": {
            "lines": lines,
            "total": sum(line["quantity"] * line["unit_price"] for line in lines),
        },
    }


def main() -> None:
    """Serve on a free port of 127.0.0.1."""
    # asyncio sends small answers at once only over what names TCP itself.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    threading.Thread(target=server.run, args=([listening],), daemon=True).start()
    print(listening.getsockname()[1], flush=True)
    sys.stdin.read()


main()
