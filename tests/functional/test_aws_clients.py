"""How clients talk, when they are made, and what becomes of their exceptions."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from chalicelib.aws import clients as clients_module
from chalicelib.aws.clients import Clients
from chalicelib.aws.errors import translate, translated
from chalicelib.core.errors import Broken, NotFound, SegueError, Transient

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "jane.roe@example.com"


def test_importing_the_adapters_loads_no_sdk() -> None:
    """Importing every adapter loads neither boto3 nor botocore's session, nor any model library."""
    modules = sorted(path.stem for path in (ROOT / "chalicelib" / "aws").glob("[a-z]*.py"))
    script = (
        "import sys\n"
        + "".join(f"import chalicelib.aws.{name}\n" for name in modules)
        + "heavy = {'boto3', 'botocore.session', 'botocore.client', 'numpy', 's3transfer'}\n"
        + "print(*(heavy & set(sys.modules)))"
    )

    done = subprocess.run(  # noqa: S603  (this interpreter, on a script written above)
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_a_client_is_made_once_for_all_threads() -> None:
    """However many threads ask at first, they get one client, and later ones the same."""
    clients, made = Clients(), []
    threads = [
        threading.Thread(target=lambda: made.append(clients.dynamodb_fast())) for _ in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({id(client) for client in [*made, clients.dynamodb_fast()]}) == 1


def test_checkout_and_mail_try_once_and_the_others_are_patient() -> None:
    """Attempts and time-outs are those of the design: 200 and 300 ms once, mail once, else more."""
    clients = Clients()
    configs = {
        name: getattr(clients, name)().meta.config
        for name in (
            *("dynamodb_fast", "ssm", "sesv2"),
            *("dynamodb_patient", "ssm_patient", "sqs", "s3", "events"),
        )
    }
    attempts = {name: config.retries["total_max_attempts"] for name, config in configs.items()}

    assert [attempts[name] for name in ("dynamodb_fast", "ssm", "sesv2")] == [1, 1, 1]
    patient = ("dynamodb_patient", "ssm_patient", "sqs", "s3", "events")
    assert all(attempts[name] > 2 for name in patient)
    fast = configs["dynamodb_fast"]
    assert (fast.connect_timeout, fast.read_timeout) == (0.2, 0.3)


def test_warming_makes_the_clients_of_a_checkout() -> None:
    """After ``warm`` a checkout's clients are there, and need no lock to be returned.

    While another thread makes a client, that thread holds the lock.
    """
    clients = Clients()
    clients.warm()

    with clients_module._making:
        assert clients.dynamodb_fast().meta.service_model.service_name == "dynamodb"
        assert clients.ssm().meta.service_model.service_name == "ssm"


def _answered(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": f"{ADDRESS} is not right"},
            "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "r-1"},  # type: ignore[typeddict-item]
        },
        "PutItem",
    )


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (_answered("ThrottlingException"), Transient),
        (_answered("ProvisionedThroughputExceededException"), Transient),
        (_answered("AnyCode", 500), Transient),
        (_answered("AnyCode", 429), Transient),
        (_answered("NoSuchKey", 404), NotFound),
        (_answered("404", 404), NotFound),
        (_answered("NoSuchBucket", 404), Broken),
        (_answered("ValidationException"), Broken),
        (_answered("AccessDeniedException"), Broken),
        (ConnectTimeoutError(endpoint_url=ADDRESS), Transient),
        (EndpointConnectionError(endpoint_url=ADDRESS), Transient),
        (ReadTimeoutError(endpoint_url=ADDRESS), Transient),
        (ConnectionClosedError(endpoint_url=ADDRESS), Transient),
        (NoCredentialsError(), Broken),
        (ParamValidationError(report=ADDRESS), Broken),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_every_sdk_exception_means_one_of_ours(
    error: ClientError | BotoCoreError, meaning: type[SegueError]
) -> None:
    """An exception becomes one of our own by its code alone, and never quotes what AWS said."""
    with pytest.raises(meaning) as raised, translated():
        raise error

    assert type(raised.value) is type(translate(error))
    assert ADDRESS not in str(raised.value)
    assert raised.value.__suppress_context__
