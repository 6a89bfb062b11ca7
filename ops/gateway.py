"""A request as API Gateway hands it to the function that serves the interface."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def posted(
    path: str, body: Mapping[str, Any], *, key_id: str, scopes: tuple[str, ...]
) -> dict[str, Any]:
    """A body of JSON posted to a route without parameters, by a key that was let in."""
    return {
        "requestContext": {
            "httpMethod": "POST",
            "resourcePath": path,
            "path": f"/api{path}",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "authorizer": {"principalId": key_id, "scopes": " ".join(scopes)},
            "identity": {"sourceIp": "192.0.2.1"},
        },
        "headers": {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "Host": "api.shop.example",
            "User-Agent": "shop/1.0",
            "X-Forwarded-For": "192.0.2.1",
        },
        "multiValueHeaders": {},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "isBase64Encoded": False,
        "body": json.dumps(body),
    }
