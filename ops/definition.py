"""The state machine's definition, as CloudFormation takes it.

In the merge template it is an object, which people can read. There a number cannot be a parameter:
CloudFormation substitutes text, and Step Functions wants ``"MaxConcurrency": 4``. So the package
holds the definition as a string in which such a placeholder stands without quotes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ops.template import resources_of

# Placeholders that stand for numbers.
NUMBERS = ("AtOnce",)


def fold_definitions(template: dict[str, Any]) -> None:
    """Turn the definition of every state machine into the string that is deployed, in place."""
    for _, properties in resources_of(template, "AWS::StepFunctions::StateMachine"):
        assert isinstance(properties, dict)  # noqa: S101 - for mypy: it is read from JSON
        text = json.dumps(properties.pop("Definition"), sort_keys=True)
        for name in NUMBERS:
            text = text.replace(f'"${{{name}}}"', f"${{{name}}}")
        properties["DefinitionString"] = text


def definition_of(properties: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """The definition as Step Functions would read it once every placeholder has its value."""
    text: str = properties["DefinitionString"]
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    definition: dict[str, Any] = json.loads(text)
    return definition
