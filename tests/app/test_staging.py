"""What is laid out for packaging: exactly what ships."""

import json
import shutil
from pathlib import Path

import pytest

from chalicelib.core.errors import BadInput
from chalicelib.core.policy import policy_from_json, policy_from_toml
from chalicelib.scoring.rejections import FileMissing, HashMismatch
from ops.places import ROOT
from ops.staging import Build, check_arms, inputs_digest, shipped_data, stage


def test_staging_holds_what_ships_and_nothing_else(tmp_path: Path) -> None:
    """Code without bytecode, the lock, the configuration, and data as vendor files."""
    stage(ROOT, tmp_path / "stage", Build())

    staged = {
        path.relative_to(tmp_path / "stage").as_posix()
        for path in (tmp_path / "stage").rglob("*")
        if path.is_file()
    }
    data = {f"vendor/{name}" for name, _ in shipped_data(ROOT, "portable")}
    assert data <= staged
    assert {"app.py", "requirements.txt", ".chalice/config.json"} <= staged
    others = {name for name in staged - data if not name.startswith(("chalicelib/", ".chalice/"))}
    assert others == {"app.py", "requirements.txt"}
    assert not any(name.endswith((".pyc", ".joblib", "report.html")) for name in staged)


def test_policies_are_compiled_not_rewritten() -> None:
    """The JSON that ships is the same policy as the TOML that people edit, to the hash."""
    shipped = dict(shipped_data(ROOT, "portable"))

    compiled = policy_from_json(json.loads(shipped["policies/default.json"]))

    assert compiled.hash == policy_from_toml((ROOT / "policies" / "default.toml").read_text()).hash


def test_a_policy_that_does_not_validate_is_not_packaged(tmp_path: Path) -> None:
    """A typing error in a policy stops the package, naming the field."""
    text = (ROOT / "policies" / "default.toml").read_text()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "default.toml").write_text(text.replace("offers_per", "ofers_per"))

    with pytest.raises(BadInput, match="ofers_per_decision"):
        dict(shipped_data(tmp_path, "portable"))


ARMS = """
[[experiments]]
id = "duel"
salt = "duel-1"
arms = [{ id = "champion", share_percent = 50 }, { id = "new", share_percent = 50, %s }]
"""


@pytest.mark.parametrize(
    ("named", "challenger", "problem"),
    [
        ('policy = "new"', None, "policies/new.toml is neither in the checkout nor in"),
        ('policy = "new"', ("USD", "EUR"), "cannot decide beside default: default_currency"),
        ('model = "absent-1.0.0"', None, "absent-1.0.0"),
        ('policy = "new"', ("value_minor = 2400", "value_minor = 2500"), None),
        ('model = "cdnow-1.0.0"', None, None),
    ],
)
def test_what_arms_name_is_packaged_with_them(
    tmp_path: Path, named: str, challenger: tuple[str, str] | None, problem: str | None
) -> None:
    """A challenger that is missing or does not fit beside the champion stops the package."""
    text = (ROOT / "policies" / "default.toml").read_text()
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    shutil.copytree(ROOT / "model_artifacts", tmp_path / "model_artifacts")
    (tmp_path / "policies" / "default.toml").write_text(text + ARMS % named)
    if challenger is not None:
        (tmp_path / "policies" / "new.toml").write_text(text.replace(*challenger))

    if problem is None:
        check_arms(tmp_path)
    else:
        with pytest.raises(BadInput, match=r"policies/default\.toml: experiments: ") as refusal:
            check_arms(tmp_path)
        assert problem in str(refusal.value)


def test_a_model_that_is_not_whole_is_not_packaged(tmp_path: Path) -> None:
    """A missing file is named, and one that the manifest does not know is no model of ours."""
    artefact = tmp_path / "model_artifacts" / "cdnow-1.0.0"
    shutil.copytree(ROOT / "model_artifacts" / "cdnow-1.0.0", artefact)
    (artefact / "model.joblib").unlink(missing_ok=True)

    with pytest.raises(FileMissing, match=r"cdnow-1\.0\.0/model\.joblib"):
        dict(shipped_data(tmp_path, "joblib"))
    (artefact / "model.json").write_text("{}")
    with pytest.raises(HashMismatch, match=r"model\.json"):
        dict(shipped_data(tmp_path, "portable"))


def test_a_changed_input_makes_the_package_stale(tmp_path: Path) -> None:
    """Code, policies, models, configuration and the choice of engine all name the package."""
    for name in ("app.py", "requirements.txt", "requirements-joblib.txt"):
        (tmp_path / name).write_text("a")
    for folder in ("chalicelib", ".chalice", "policies", "model_artifacts", "ops"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file.json").write_text("a")
    (tmp_path / "ops" / "operating_table.toml").write_text("a")
    before = inputs_digest(tmp_path, Build())

    assert inputs_digest(tmp_path, Build()) == before
    assert inputs_digest(tmp_path, Build(engine="joblib")) != before
    (tmp_path / "policies" / "file.json").write_text("b")
    assert inputs_digest(tmp_path, Build()) != before
