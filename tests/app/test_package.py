"""What a package must hold, what it must not hold, and what it is refused for."""

import zipfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops.bytecode import bytecode_name, compile_source
from ops.package import read_contents, repack
from ops.refusals import (
    ZIP_LIMIT_BYTES,
    Contents,
    judge_contents,
    judge_template,
    locked_versions,
)

LOCK = """\
# made by a tool
duckdb==1.5.6 \\
    --hash=sha256:aa
    # via -r requirements.in
typing-extensions==4.16.0 \\
    --hash=sha256:bb
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:cc
"""
DATA = {
    "model_artifacts/shop-1.0.0/manifest.json": b"{}",
    "model_artifacts/shop-1.0.0/model.json": b'{"k":5}',
    "policies/default.json": b'{"name":"default"}',
    "policies/jurisdictions.json": b'{"rows":[]}',
}
GOOD = {
    "app.py": b"app",
    bytecode_name("app.py"): compile_source("app.py", b"app"),
    "duckdb-1.5.6.dist-info/METADATA": b"",
    "typing_extensions-4.16.0.dist-info/METADATA": b"",
    **DATA,
}
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "Policies": [
            {
                "PolicyDocument": {
                    "Statement": [
                        {"Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": "arn:q"}
                    ]
                }
            }
        ]
    },
}
TEMPLATE: dict[str, Any] = {
    "Resources": {
        "OnDrop": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Role": {"Fn::GetAtt": ["OnDropRole", "Arn"]},
                "Events": {
                    "Queue": {
                        "Type": "SQS",
                        "Properties": {"FunctionResponseTypes": ["ReportBatchItemFailures"]},
                    }
                },
            },
        },
        "OnEffect": {
            "Type": "AWS::Serverless::Function",
            "Properties": {"Role": {"Fn::GetAtt": ["OnEffectRole", "Arn"]}},
        },
        "OnDropRole": ROLE,
        "OnEffectRole": ROLE,
        "QueuePolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "PolicyDocument": {
                    "Statement": [{"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]
                }
            },
        },
    }
}


def _zip(path: Path, files: Mapping[str, bytes], *, fetched: datetime | None = None) -> Contents:
    when = (fetched or datetime(2026, 1, 1, tzinfo=UTC)).timetuple()[:6]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, when), data)
    return read_contents(path)


def _reasons(contents: Contents, *, model: str = "shop-1.0.0", joblib: bool = False) -> list[str]:
    judged = judge_contents(contents, lock=LOCK, data=DATA, model=model, with_joblib=joblib)
    return [refusal.reason for refusal in judged]


def test_a_complete_zip_is_accepted(tmp_path: Path) -> None:
    """A zip with every locked dependency, model and policy is not refused."""
    assert _reasons(_zip(tmp_path / "good.zip", GOOD)) == []


@pytest.mark.parametrize(
    ("left_out", "reason"),
    [
        ("duckdb-1.5.6.dist-info/METADATA", "DependencyLeftOut"),
        ("typing_extensions-4.16.0.dist-info/METADATA", "DependencyLeftOut"),
        ("model_artifacts/shop-1.0.0/model.json", "ModelNotShipped"),
        ("policies/default.json", "PolicyNotShipped"),
        ("policies/jurisdictions.json", "PolicyNotShipped"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, left_out: str, reason: str) -> None:
    """A dependency, model or policy that is silently left out refuses the package by name."""
    files = {name: data for name, data in GOOD.items() if name != left_out}

    contents = _zip(tmp_path / "short.zip", files)

    judged = list(
        judge_contents(contents, lock=LOCK, data=DATA, model="shop-1.0.0", with_joblib=False)
    )
    assert [refusal.reason for refusal in judged] == [reason]
    named = left_out.partition("-1.5.6")[0].partition("-4.16")[0].replace("_ext", "-ext")
    assert named in str(judged[0])


def test_another_version_than_the_locked_one_is_refused(tmp_path: Path) -> None:
    """A dependency in another version than the lock's counts as left out."""
    files = {name: data for name, data in GOOD.items() if not name.startswith("duckdb")}
    files["duckdb-2.0.0.dist-info/METADATA"] = b""

    assert _reasons(_zip(tmp_path / "other.zip", files)) == ["DependencyLeftOut"]


@pytest.mark.parametrize(
    ("intruder", "reason"),
    [
        ("model_artifacts/shop-1.0.0/model.joblib", "MustNotShip"),
        ("model_artifacts/shop-1.0.0/report.html", "MustNotShip"),
        ("chalicelib/old.joblib", "MustNotShip"),
        ("policies/experiment.json", "MustNotShip"),
    ],
)
def test_what_must_not_ship_is_named(tmp_path: Path, intruder: str, reason: str) -> None:
    """A joblib file, a report or a policy that nobody listed refuses the package."""
    assert _reasons(_zip(tmp_path / "more.zip", {**GOOD, intruder: b"x"})) == [reason]


def test_a_model_that_differs_from_the_checkout_is_refused(tmp_path: Path) -> None:
    """A model in the zip with other bytes than the checkout's is as bad as none."""
    changed = {**GOOD, "model_artifacts/shop-1.0.0/model.json": b'{"k":6}'}

    assert _reasons(_zip(tmp_path / "stale.zip", changed)) == ["ModelNotShipped"]


def test_the_model_that_serves_must_be_there(tmp_path: Path) -> None:
    """A setting that names a model which the package does not hold refuses it."""
    contents = _zip(tmp_path / "good.zip", GOOD)

    assert _reasons(contents, model="shop-2.0.0") == ["ModelNotShipped"]


@pytest.mark.parametrize("name", ["policies/default.json", "policies/jurisdictions.json"])
def test_what_decides_must_be_in_the_checkout(tmp_path: Path, name: str) -> None:
    """A checkout without its policy or its table of law makes no package."""
    contents = _zip(tmp_path / "short.zip", {key: GOOD[key] for key in GOOD if key != name})
    data = {key: DATA[key] for key in DATA if key != name}

    judged = judge_contents(contents, lock=LOCK, data=data, model="shop-1.0.0", with_joblib=False)

    assert [refusal.reason for refusal in judged] == ["PolicyNotShipped"]


def test_size_limits(tmp_path: Path) -> None:
    """A zip over 50 MiB or over 150 MB unzipped is refused; scikit-learn's own may be larger."""
    contents = _zip(tmp_path / "good.zip", GOOD)
    heavy = replace(contents, zip_bytes=ZIP_LIMIT_BYTES + 1)
    wide = replace(contents, sizes={**contents.sizes, "lib.so": 150_000_001})
    too_wide = replace(contents, sizes={**contents.sizes, "lib.so": 262_144_001})

    assert _reasons(heavy) == ["ZipTooLarge"]
    assert _reasons(wide) == ["UnzippedTooLarge"]
    assert _reasons(replace(wide, zip_bytes=60_000_000), joblib=True) == []
    assert _reasons(too_wide, joblib=True) == ["UnzippedTooLarge"]


def test_the_lock_is_read_for_this_platform() -> None:
    """Continuation lines, comments and requirements of other platforms are not dependencies."""
    assert locked_versions(LOCK) == {"duckdb": "1.5.6", "typing-extensions": "4.16.0"}


def test_a_sound_template_is_accepted() -> None:
    """Own policies, named actions and the flag pass; a denial may be as wide as it likes."""
    assert list(judge_template(TEMPLATE)) == []


def _without_flag(resources: dict[str, Any]) -> None:
    del resources["OnDrop"]["Properties"]["Events"]["Queue"]["Properties"]["FunctionResponseTypes"]


def _with_wildcard(resources: dict[str, Any]) -> None:
    _statement(resources)["Action"] = ["sqs:*"]


def _with_all_but_one(resources: dict[str, Any]) -> None:
    _statement(resources)["NotAction"] = _statement(resources).pop("Action")


def _with_everything(resources: dict[str, Any]) -> None:
    _statement(resources)["Resource"] = "*"


def _with_shared_role(resources: dict[str, Any]) -> None:
    resources["OnEffect"]["Properties"]["Role"] = resources["OnDrop"]["Properties"]["Role"]


def _without_function(resources: dict[str, Any]) -> None:
    resources["OnDorp"] = {"Properties": {"MemorySize": 512}}


def _without_policy(resources: dict[str, Any]) -> None:
    resources["OnEffectRole"]["Properties"]["Policies"] = []


def _with_open_queue(resources: dict[str, Any]) -> None:
    resources["QueuePolicy"]["Properties"]["PolicyDocument"]["Statement"][0]["Effect"] = "Allow"


def _statement(resources: dict[str, Any]) -> dict[str, Any]:
    policy = resources["OnDropRole"]["Properties"]["Policies"][0]
    statement: dict[str, Any] = policy["PolicyDocument"]["Statement"][0]
    return statement


@pytest.mark.parametrize(
    ("doctor", "reasons"),
    [
        (_without_flag, {"PartialBatchFlagMissing"}),
        (_with_wildcard, {"WildcardAction"}),
        (_with_all_but_one, {"WildcardAction"}),
        (_with_everything, {"WildcardResource"}),
        (_with_shared_role, {"NoPolicyOfItsOwn"}),
        (_without_policy, {"NoPolicyOfItsOwn"}),
        (_without_function, {"NoSuchFunction"}),
        (_with_open_queue, {"WildcardAction", "WildcardResource"}),
    ],
)
def test_template_faults_are_named(
    doctor: Callable[[dict[str, Any]], None], reasons: set[str]
) -> None:
    """A missing flag, a wildcard or a shared policy refuses the template by its own name."""
    doctored = deepcopy(TEMPLATE)

    doctor(doctored["Resources"])

    assert {refusal.reason for refusal in judge_template(doctored)} == reasons


def test_a_zip_depends_on_its_files_alone(tmp_path: Path) -> None:
    """Times, order, fetched bytecode and dependencies' tests do not show in the repacked zip."""
    early, late = tmp_path / "early.zip", tmp_path / "late.zip"
    _zip(early, GOOD)
    _zip(
        late,
        dict(reversed(GOOD.items()))
        | {"chalicelib/__pycache__/app.pyc": b"x", "joblib/test/data/old.pkl": b"x"},
        fetched=datetime(2031, 5, 4, 3, 2, 2, tzinfo=UTC),
    )

    repack(early)
    repack(late)

    assert early.read_bytes() == late.read_bytes()
