"""Why a package may not be deployed: each fault has a name, and all of them are reported at once.

Everything here is pure: it judges a list of files and a template, and reads neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from chalicelib.core.canonical import sha256_hex
from ops.bytecode import bytecode_name, judge_header

ZIP_LIMIT_BYTES = 50 * 1024 * 1024  # what Lambda takes in one piece
UNZIPPED_LIMIT_BYTES = 150_000_000  # our own bar: cold starts read the package
JOBLIB_UNZIPPED_LIMIT_BYTES = 262_144_000  # Lambda's own; scikit-learn leaves no room for ours
_DIST_INFO = re.compile(r"(?P<name>[^/]+)-(?P<version>[^-/]+)\.dist-info/METADATA")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason not to deploy, and what to do about it."""

    reason: str
    detail: str

    def __str__(self) -> str:
        """The name first, so that it can be looked up."""
        return f"{self.reason}: {self.detail}"


class PackageRefused(Exception):
    """The package may not be deployed."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        super().__init__("\n".join(map(str, refusals)))


@dataclass(frozen=True, slots=True)
class Contents:
    """What a zip holds.

    Attributes:
        zip_bytes: its size.
        sizes: each file's unzipped size by name.
        hashes: sha256 of the data files: models and policies.
        sources: of each source file, the hash by which bytecode names it.
        bytecode: of each bytecode file, the header.
    """

    zip_bytes: int
    sizes: Mapping[str, int]
    hashes: Mapping[str, str]
    sources: Mapping[str, bytes]
    bytecode: Mapping[str, bytes]


def is_data(name: str) -> bool:
    """Whether a file of the zip is a model or a policy rather than code."""
    return name.startswith(("model_artifacts/", "policies/"))


def judge_contents(
    contents: Contents, *, lock: str, data: Mapping[str, bytes], model: str, with_joblib: bool
) -> Iterator[Refusal]:
    """Find what is missing from a zip, what should not be in it, and whether it is too large.

    Args:
        contents: the zip.
        lock: text of the requirements lock that it was built from.
        data: every model and policy file that it must hold.
        model: the packaged model that serves.
        with_joblib: whether scikit-learn's pipeline itself serves.
    """
    yield from _sizes(contents, with_joblib=with_joblib)
    yield from _dependencies(contents.sizes, lock)
    yield from _data(contents, data)
    yield from _bytecode(contents)
    if f"model_artifacts/{model}/model.json" not in data:
        yield Refusal("ModelNotShipped", f"{model} is to serve, and model_artifacts/ lacks it")
    for name in ("default", "jurisdictions"):
        if f"policies/{name}.json" not in data:
            yield Refusal("PolicyNotShipped", f"policies/{name}.toml is missing from the checkout")


def judge_template(template: Mapping[str, Any], *, runtime: str | None = None) -> Iterator[Refusal]:
    """Find what a template would get wrong in ways that no deployment reports.

    ``runtime`` is the one that the package's bytecode is for; None does not ask.
    """
    resources: Mapping[str, Any] = template["Resources"]
    for name, resource in resources.items():
        if "Type" not in resource:
            yield Refusal("NoSuchFunction", f"the merge template sets {name}, app.py lacks it")
    typed = {name: resource for name, resource in resources.items() if "Type" in resource}
    yield from _flags(typed)
    yield from _wildcards(typed)
    yield from _policies(typed)
    for name, properties in functions_of(template).items():
        if runtime is not None and properties.get("Runtime") != runtime:
            detail = f"{name} runs {properties.get('Runtime')}, the bytecode is for {runtime}"
            yield Refusal("BytecodeForAnotherPython", detail)


def functions_of(template: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The properties of each function by logical id."""
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource.get("Type") == "AWS::Serverless::Function"
    }


def locked_versions(lock: str) -> dict[NormalizedName, str]:
    """The version of each distribution that a lock asks for on this machine's Python."""
    versions: dict[NormalizedName, str] = {}
    for line in lock.splitlines():
        if not line or line[0] in " #-":
            continue
        requirement = Requirement(line.rstrip("\\ "))
        if requirement.marker is None or requirement.marker.evaluate():
            pinned = next(iter(requirement.specifier)).version
            versions[canonicalize_name(requirement.name)] = pinned
    return versions


def _sizes(contents: Contents, *, with_joblib: bool) -> Iterator[Refusal]:
    unzipped = sum(contents.sizes.values())
    if contents.zip_bytes > ZIP_LIMIT_BYTES and not with_joblib:
        yield Refusal("ZipTooLarge", f"{contents.zip_bytes:,} bytes, at most {ZIP_LIMIT_BYTES:,}")
    limit = JOBLIB_UNZIPPED_LIMIT_BYTES if with_joblib else UNZIPPED_LIMIT_BYTES
    if unzipped > limit:
        yield Refusal("UnzippedTooLarge", f"{unzipped:,} bytes, at most {limit:,}")


def _dependencies(names: Mapping[str, int], lock: str) -> Iterator[Refusal]:
    # Chalice leaves out a wheel that its idea of Lambda's glibc does not admit, and exits with 0.
    found = {
        canonicalize_name(match["name"]): match["version"]
        for match in map(_DIST_INFO.fullmatch, names)
        if match
    }
    for name, version in locked_versions(lock).items():
        if found.get(name) != version:
            there = f"the zip holds {found[name]}" if name in found else "the zip does not hold it"
            yield Refusal("DependencyLeftOut", f"{name} {version} is locked, {there}")


def _data(contents: Contents, data: Mapping[str, bytes]) -> Iterator[Refusal]:
    for name, expected in data.items():
        kind = "ModelNotShipped" if name.startswith("model_artifacts/") else "PolicyNotShipped"
        if name not in contents.hashes:
            yield Refusal(kind, f"{name} is not in the zip")
        elif contents.hashes[name] != sha256_hex(expected):
            yield Refusal(kind, f"{name} in the zip differs from the checkout")
    for name in contents.sizes:
        if name in data:
            continue
        if is_data(name) or name.endswith((".joblib", ".pkl")) or name.endswith("report.html"):
            yield Refusal("MustNotShip", f"{name} is in the zip; no manifest says that it ships")


def _bytecode(contents: Contents) -> Iterator[Refusal]:
    for name, hashed in contents.sources.items():
        fault = judge_header(contents.bytecode.get(bytecode_name(name)), hashed=hashed)
        if fault is not None:
            yield Refusal("BytecodeNotGood", f"{bytecode_name(name)} {fault}")
    expected = set(map(bytecode_name, contents.sources))
    for name in contents.bytecode:
        if name not in expected:
            yield Refusal("BytecodeNotGood", f"{name} is in the zip and its source is not")


def _flags(resources: Mapping[str, Any]) -> Iterator[Refusal]:
    for function, properties in functions_of({"Resources": resources}).items():
        for event in properties.get("Events", {}).values():
            if event["Type"] not in {"SQS", "DynamoDB"}:
                continue
            flags = event["Properties"].get("FunctionResponseTypes", ())
            if "ReportBatchItemFailures" not in flags:
                detail = f"{function}: failed messages would count as done and be deleted"
                yield Refusal("PartialBatchFlagMissing", detail)


def _wildcards(resources: Mapping[str, Any]) -> Iterator[Refusal]:
    for name, resource in resources.items():
        for statement in _allow_statements(resource):
            # Whoever is granted all but a few is granted a wildcard.
            actions = statement.get("Action", "*")
            for action in [actions] if isinstance(actions, str) else actions:
                if "*" in action:
                    yield Refusal("WildcardAction", f"{name} allows {action}")
            resource_names = statement.get("Resource", ())
            if resource_names == "*" or "*" in resource_names:
                yield Refusal("WildcardResource", f"{name} allows {actions} on everything")


def _allow_statements(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    properties = resource.get("Properties", {})
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", ())]
    if resource["Type"].endswith("Policy"):
        documents.append(properties["PolicyDocument"])
    for document in documents:
        yield from (one for one in document["Statement"] if one["Effect"] == "Allow")


def _policies(resources: Mapping[str, Any]) -> Iterator[Refusal]:
    role_of: dict[str, str] = {}
    for function, properties in functions_of({"Resources": resources}).items():
        role = properties.get("Role", {})
        name = role["Fn::GetAtt"][0] if isinstance(role, dict) and "Fn::GetAtt" in role else ""
        if not resources.get(name, {}).get("Properties", {}).get("Policies"):
            yield Refusal("NoPolicyOfItsOwn", f"{function} has no role with a policy")
        elif name in role_of:
            yield Refusal("NoPolicyOfItsOwn", f"{function} shares {name} with {role_of[name]}")
        else:
            role_of[name] = function
