"""Dropping a file from the command line: where it goes, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner

from chalicelib.aws.clients import Clients
from chalicelib.aws.objects import S3Objects
from chalicelib.core.errors import BadInput
from ops.cli import main
from ops.drop import Place, key_for, put_file
from ops.template import read_template
from tests.loopback import Loopback, Reply
from tests.stack import Stack, session

NOW = 1_795_000_000


@pytest.mark.parametrize(
    ("name", "prefix", "key"),
    [
        ("a.csv", "orders", "orders/a.csv"),
        ("a.csv.gz", "customers/", "customers/a.csv.gz"),
        ("sample.txt", "/orders/cdnow-original/", "orders/cdnow-original/sample.txt"),
    ],
)
def test_a_file_goes_under_its_prefix(name: str, prefix: str, key: str) -> None:
    """With or without slashes around it."""
    assert key_for(Path("/somewhere", name), prefix) == key


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("a.xlsx", "orders"), ("a.csv", "invoices"), ("a.csv", "orders/nowhere"), ("a.csv", "..")],
)
def test_what_no_drop_would_take_is_refused_before_it_is_sent(name: str, prefix: str) -> None:
    """The same rules as behind the bucket."""
    with pytest.raises(BadInput):
        key_for(Path(name), prefix)


def test_a_file_that_was_put_names_its_drop(stack: Stack, clients: Clients, tmp_path: Path) -> None:
    """The id is known at once, and the moment travels in the metadata."""
    file = tmp_path / "a.csv"
    file.write_bytes(b"sku,base_price,currency\n")
    place = Place(session(), stack.drops_bucket, stack.results_bucket, "https://shop.example/api")

    arrived = put_file(file, "catalog/a.csv", place, as_of=NOW)

    info = S3Objects(clients.s3).head(stack.drops_bucket, key="catalog/a.csv")
    assert (arrived.version_id, arrived.etag) == (info.version_id, info.etag)
    assert info.metadata == {"as-of": "2026-11-18T11:06:40Z"}
    assert len(arrived.drop_id) == 32
    body = boto3.client("s3").get_object(Bucket=stack.drops_bucket, Key="catalog/a.csv")["Body"]
    assert body.read() == file.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "nowhere/"], "must begin with"),
        (["--to", "orders/", "--as-of", "soon"], "--as-of"),
        (["--to", "orders/", "--stage", "none"], "there is no stack segue-none"),
        (["--to", "orders/", "--watch"], "SEGUE_API_KEY"),
        (["--watch-id", "d-1"], "give no FILE"),
        ([], "--to"),
    ],
)
def test_a_command_that_cannot_work_says_why(
    aws: None, tmp_path: Path, arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is uploaded."""
    monkeypatch.delenv("SEGUE_API_KEY", raising=False)
    file = tmp_path / "a.csv"
    file.write_text("x\n")

    result = CliRunner().invoke(main, ["drop", str(file), *arguments])

    assert result.exit_code != 0
    assert words in result.output


@pytest.fixture
def deployed(aws: None) -> dict[str, str]:
    """A stage whose stack says where its buckets are; the stack is nothing but that."""
    outputs = {name: f"segue-{name.lower()}" for name in read_template()["Outputs"]}
    outputs["PublicUrl"] = "https://shop.example/api"
    boto3.client("s3").create_bucket(Bucket=outputs["DropsBucket"])
    template = {
        "Resources": {"Nothing": {"Type": "AWS::SNS::Topic", "Properties": {}}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    boto3.client("cloudformation").create_stack(
        StackName="segue-dev", TemplateBody=json.dumps(template)
    )
    return outputs


def test_a_file_is_uploaded_and_how_to_watch_it_is_said(
    deployed: dict[str, str], tmp_path: Path
) -> None:
    """Without --watch nothing is waited for; the id of the drop is the last line."""
    file = tmp_path / "a.csv"
    file.write_bytes(b"sku,base_price,currency\n")

    result = CliRunner().invoke(main, ["drop", str(file), "--to", "catalog/"])

    assert result.exit_code == 0, result.output
    told = json.loads(result.output.splitlines()[-1])
    assert told["key"] == "catalog/a.csv"
    assert f"python -m ops drop --watch-id {told['drop_id']} --stage dev" in result.output
    assert f"s3://{deployed['ResultsBucket']}/results/{told['drop_id']}/" in result.output
    bucket = boto3.client("s3").list_objects_v2(Bucket=deployed["DropsBucket"])
    assert [found["Key"] for found in bucket["Contents"]] == ["catalog/a.csv"]


def test_a_file_is_watched_over_the_interface_of_its_stage(
    deployed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drop that was uploaded is the one that is asked for, with the key of the environment."""
    monkeypatch.setenv("SEGUE_API_KEY", "segue_x_y")
    file = tmp_path / "a.csv"
    file.write_bytes(b"sku,base_price,currency\n")
    ended = {"drop_id": "d-1", "key": "catalog/a.csv", "state": "REJECTED", "reason": "file: no",
             "changed_at": "now", "counts": {"records": 0}, "progress": None}  # fmt: skip

    with Loopback(lambda _: Reply(ended)) as server:
        result = CliRunner().invoke(
            main, ["drop", str(file), "--to", "catalog/", "--watch", "--url", server.url]
        )

    assert result.exit_code == 1
    assert "catalog/a.csv: REJECTED (file: no)" in result.output
    [asked] = server.requests
    assert asked.headers["Authorization"] == "Bearer segue_x_y"
    assert f"/results/{asked.operation.rpartition('/')[2]}/" in result.output
