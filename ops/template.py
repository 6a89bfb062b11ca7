"""The merge template ``.chalice/resources.json``, read: what there is, and what functions are told.

The template is the one place that names tables, queues, buckets and environment variables;
everything that needs the same things without CloudFormation derives them from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ops.places import RESOURCES

Template = Mapping[str, Any]


def read_template() -> Template:
    """Read the merge template."""
    template: Template = json.loads(RESOURCES.read_text())
    return template


def resources_of(template: Template, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The logical id and properties of each resource of one CloudFormation type."""
    for name, resource in template["Resources"].items():
        if resource.get("Type") == kind:
            yield name, resource["Properties"]


def environment(template: Template, values: Mapping[str, str]) -> dict[str, str]:
    """What every function is told, with each reference replaced by its value.

    ``values`` holds, by logical id, what ``Ref`` stands for: the outputs of a stack, or what
    stands in their place. A parameter that may be empty may be missing, and is left out. Raises
    KeyError when anything else is missing.
    """
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    optional = {name for name, one in template["Parameters"].items() if one.get("Default") == ""}
    told: dict[str, str] = {}
    for name, value in variables.items():
        if isinstance(value, str):
            told[name] = value
        elif value["Ref"] in values or value["Ref"] not in optional:
            told[name] = values[value["Ref"]]
    return told
