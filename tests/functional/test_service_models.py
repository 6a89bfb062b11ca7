"""Clients that find their services without looking around talk as botocore's own do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import UnknownServiceError

from chalicelib.aws import clients as clients_module
from chalicelib.aws.clients import _MANNERS, Clients
from chalicelib.aws.service_models import NamedServices, PlainFiles
from ops.descriptions import OPERATIONS, described
from ops.places import ROOT

REGIONS = ["us-east-1", "eu-central-1", "ap-southeast-2", "cn-north-1", "us-gov-west-1"]
SERVICES = sorted({manner.service for manner in _MANNERS.values()})
DIRECTORY = Path(botocore.__file__).parent / "data"


class Raw:
    """An answer's body that is read once."""

    def stream(self) -> list[bytes]:
        """The whole of it."""
        return [b"{}"]


def asked(client: Any, call: Callable[[Any], Any]) -> tuple[str, Mapping[str, str], bytes]:
    """Address, signed scope and body of the one request that a call makes."""
    seen: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        seen.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), Raw())

    client.meta.events.register("before-send", answer)
    call(client)
    (request,) = seen
    scope = str(request.headers["Authorization"]).partition("Credential=")[2].partition(",")[0]
    target = str(request.headers["X-Amz-Target"])
    body = request.body if isinstance(request.body, bytes) else str(request.body).encode()
    return str(request.url), {"scope": scope[-40:], "target": target}, body


def get_one(client: Any) -> Any:
    """A read as a checkout makes it."""
    key = {"pk": {"S": "c#c-1"}, "sk": {"S": "facts"}}
    return client.batch_get_item(RequestItems={"profiles": {"Keys": [key]}})


def get_parameter(client: Any) -> Any:
    """The signing keys."""
    return client.get_parameter(Name="/segue/keys", WithDecryption=True)


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Credentials as Lambda sets them, and a session that reads the environment anew."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "testing")
    clients_module._session.cache_clear()
    yield
    clients_module._session.cache_clear()


@pytest.mark.parametrize(
    "variables", [(), ("AWS_USE_FIPS_ENDPOINT",), ("AWS_USE_DUALSTACK_ENDPOINT",)]
)
@pytest.mark.parametrize("region", REGIONS)
def test_every_request_is_the_one_of_botocore_itself(
    region: str, variables: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Address, scope of the signature, operation and body are those of a client of botocore's."""
    if region.startswith("cn-") and "AWS_USE_FIPS_ENDPOINT" in variables:
        pytest.skip("China has no FIPS endpoints")
    for variable in variables:
        monkeypatch.setenv(variable, "true")
    plain = botocore.session.Session()
    clients = Clients(region=region)

    for ours, service, call in (
        (clients.dynamodb_fast(), "dynamodb", get_one),
        (clients.ssm(), "ssm", get_parameter),
    ):
        theirs = plain.create_client(service, region_name=region)
        assert asked(ours, call) == asked(theirs, call)


@pytest.mark.parametrize("service", OPERATIONS)
def test_what_ships_of_a_description_is_what_botocore_says(service: str) -> None:
    """The files are those that ``python -m ops.descriptions`` writes from the locked botocore."""
    for path, content in described(service):
        assert path.read_bytes() == content


def test_every_call_of_the_store_is_described() -> None:
    """Whatever the adapters call on the two clients is among the operations that ship."""
    clients = Clients(region="us-east-1")
    source = "".join(path.read_text() for path in (ROOT / "chalicelib" / "aws").glob("*.py"))

    for client, whole in (
        (clients.dynamodb_patient(), "dynamodb"),
        (clients.ssm_patient(), "ssm"),
    ):
        theirs = botocore.session.Session().create_client(whole, region_name="us-east-1")
        known = {name for name in theirs.meta.method_to_api_mapping if f".{name}(" in source}
        assert known
        assert known <= set(client.meta.method_to_api_mapping)


@pytest.mark.parametrize("service", sorted(set(SERVICES) - set(OPERATIONS)))
def test_a_description_is_the_one_that_botocore_reads(service: str) -> None:
    """Plain dicts hold the same, in the same order."""
    ours = NamedServices(SERVICES, by_region=(), data_path=None)
    theirs = botocore.session.Session().get_component("data_loader")

    described = ours.load_service_model(service, "service-2")

    assert described == theirs.load_service_model(service, "service-2")
    assert list(described["operations"]) == list(
        theirs.load_service_model(service, "service-2")["operations"]
    )


def test_rules_are_left_out_only_where_the_region_says_all() -> None:
    """Other services keep their rules: a bucket's name, for one, is part of an address."""
    loader = NamedServices(SERVICES, by_region={"dynamodb"}, data_path=None)

    assert loader.load_service_model("s3", "endpoint-rule-set-1")["parameters"]
    with pytest.raises(UnknownServiceError):
        loader.load_service_model("dynamodb", "endpoint-rule-set-1")


def test_descriptions_of_a_path_of_ones_own_come_first(tmp_path: Path) -> None:
    """AWS_DATA_PATH is searched before botocore's own data, as botocore does."""
    folder = tmp_path / "dynamodb" / "2012-08-10"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text('{"operations": {}, "of": "a test"}')
    loader = NamedServices(SERVICES, by_region=(), data_path=str(tmp_path))

    assert loader.load_service_model("dynamodb", "service-2")["of"] == "a test"


def test_a_file_that_is_not_there_is_none() -> None:
    """A description that is in neither form is not there; what is there is found by its stem."""
    assert PlainFiles().load_file(str(DIRECTORY / "nothing")) is None
    assert PlainFiles().load_file(str(DIRECTORY / "partitions"))["partitions"]
