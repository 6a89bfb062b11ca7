"""How tests name what is in the packaged template."""

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from ops.refusals import functions_of

Json = Mapping[str, Any]
NAMES = {
    "APIHandler": "api_handler",
    "Bearer": "bearer",
    "OnDrop": "on_drop",
    "OnDecided": "on_decided",
    "OnEffect": "on_effect",
    "OnEffectsPlanned": "on_effects_planned",
    "OnMailEvent": "on_mail_event",
    "OnReviewDue": "on_review_due",
    "OnSweep": "on_sweep",
    "WorkPart": "work_part",
}


def arn_of(logical_id: str) -> Json:
    """The reference to a resource's ARN."""
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def swagger_of(template: Json) -> Json:
    """The API's definition."""
    body: Json = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    return body


def statements_of(template: Json, function: str) -> Iterator[MutableMapping[str, Any]]:
    """Every statement of one function's policy."""
    role = functions_of(template)[function]["Role"]["Fn::GetAtt"][0]
    for policy in template["Resources"][role]["Properties"]["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]
