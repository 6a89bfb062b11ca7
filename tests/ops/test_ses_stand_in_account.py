"""What deployment and diagnosis ask of SES, as the stand-in answers it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops.places import ROOT
from ops.ses.account import Account, ConfigurationSet, Identity
from ops.ses.server import SesServer
from ops.ses.stand_in import Beside
from ops.session import MAIL_ENDPOINT, LocalMailForAws, open_session
from tests.ops.ses_makers import RECIPIENT, SET, client, raw_request, ses


def test_the_account_says_what_stands_in_the_way() -> None:
    """GetAccount tells sandbox or production, whether sending is on, quota, rate and use."""
    with ses(Account()) as server:
        sandbox = client(server).get_account()
    with ses() as server:
        client(server).send_email(**raw_request())
        out = client(server).get_account()

    assert sandbox["ProductionAccessEnabled"] is False
    assert sandbox["SendQuota"] == {
        "Max24HourSend": 200,
        "MaxSendRate": 1,
        "SentLast24Hours": 0,
    }
    assert (out["ProductionAccessEnabled"], out["SendingEnabled"]) == (True, True)
    assert out["EnforcementStatus"] == "HEALTHY"
    assert out["SendQuota"]["SentLast24Hours"] == 1
    assert out["SuppressionAttributes"] == {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]}


def test_an_identity_is_pending_until_it_is_verified() -> None:
    """A new identity is not verified; a domain has DKIM tokens that are pending."""
    with ses(Account()) as server:
        ses_client = client(server)
        made = ses_client.create_email_identity(EmailIdentity="shop.example")
        known = ses_client.get_email_identity(EmailIdentity="shop.example")

    assert made["IdentityType"] == known["IdentityType"] == "DOMAIN"
    assert known["VerifiedForSendingStatus"] is False
    assert known["VerificationStatus"] == "PENDING"
    assert known["DkimAttributes"]["Status"] == "PENDING"
    assert len(known["DkimAttributes"]["Tokens"]) == 3


def test_a_stack_may_verify_at_once() -> None:
    """Where nobody can click a link, an identity is verified when it is made."""
    with ses(Account(verify_at_once=True)) as server:
        client(server).create_email_identity(EmailIdentity="shop@example.com")
        known = client(server).get_email_identity(EmailIdentity="shop@example.com")

    assert known["VerifiedForSendingStatus"] is True
    assert known["IdentityType"] == "EMAIL_ADDRESS"


@pytest.mark.parametrize(
    ("call", "arguments", "code", "status"),
    [
        ("get_email_identity", {"EmailIdentity": "no.example"}, "NotFoundException", 404),
        ("delete_email_identity", {"EmailIdentity": "no.example"}, "NotFoundException", 404),
        ("create_email_identity", {"EmailIdentity": "example.com"}, "AlreadyExistsException", 400),
        ("create_email_identity", {"EmailIdentity": "nonsense"}, "BadRequestException", 400),
        ("get_configuration_set", {"ConfigurationSetName": "no"}, "NotFoundException", 404),
        ("create_configuration_set", {"ConfigurationSetName": SET}, "AlreadyExistsException", 400),
        ("create_configuration_set", {"ConfigurationSetName": "a b"}, "BadRequestException", 400),
        ("get_suppressed_destination", {"EmailAddress": RECIPIENT}, "NotFoundException", 404),
        ("get_dedicated_ips", {}, "NotImitated", 501),
    ],
)
def test_what_is_not_there_is_said_as_ses_says_it(
    call: str, arguments: dict[str, Any], code: str, status: int
) -> None:
    """Missing, existing and malformed things are told by code and status; the rest is named."""
    with ses() as server:
        ses_client = client(server, retries={"total_max_attempts": 1})
        with pytest.raises(ses_client.exceptions.ClientError) as raised:
            getattr(ses_client, call)(**arguments)

    answer: Any = raised.value.response
    assert answer["Error"]["Code"] == code
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status


def test_answers_have_the_shape_of_the_service_model() -> None:
    """No answer holds a field, at any depth, that botocore's model of SES does not have."""
    destination = {
        "Enabled": True,
        "MatchingEventTypes": ["BOUNCE"],
        "SnsDestination": {"TopicArn": "arn:aws:sns:us-east-1:000000000000:t"},
    }
    unknown: list[str] = []
    asked: list[str] = []

    def compare(http_response: Any, model: Any, **_: Any) -> None:
        asked.append(model.name)
        unknown.extend(_unknown(json.loads(http_response.content), model.output_shape, model.name))

    with ses() as server:
        ses_client = client(server)
        ses_client.meta.events.register("after-call.sesv2", compare)
        ses_client.send_email(**raw_request())
        ses_client.get_account()
        ses_client.create_email_identity(EmailIdentity="shop.example")
        ses_client.get_email_identity(EmailIdentity="shop.example")
        ses_client.list_email_identities()
        ses_client.create_configuration_set(ConfigurationSetName="other")
        ses_client.create_configuration_set_event_destination(
            ConfigurationSetName="other", EventDestinationName="d", EventDestination=destination
        )
        ses_client.get_configuration_set(ConfigurationSetName="other")
        ses_client.get_configuration_set_event_destinations(ConfigurationSetName="other")
        ses_client.list_configuration_sets()
        ses_client.put_suppressed_destination(EmailAddress=RECIPIENT, Reason="BOUNCE")
        ses_client.get_suppressed_destination(EmailAddress=RECIPIENT)
        ses_client.list_suppressed_destinations()

    assert len(asked) == len(set(asked)) == 13
    assert unknown == []


def _unknown(value: Any, shape: Any, where: str) -> list[str]:
    """What a value holds that a shape does not know."""
    if isinstance(value, dict) and shape.type_name == "structure":
        return [
            each
            for name, inner in value.items()
            for each in (
                _unknown(inner, shape.members[name], f"{where}.{name}")
                if name in shape.members
                else [f"{where}.{name}"]
            )
        ]
    if isinstance(value, list):
        return [each for inner in value for each in _unknown(inner, shape.member, where)]
    return []


def test_configuration_sets_and_their_destinations() -> None:
    """A configuration set is made, listed, read with its destinations, changed and deleted."""
    destination = {
        "Enabled": True,
        "MatchingEventTypes": ["BOUNCE"],
        "SnsDestination": {"TopicArn": "arn:aws:sns:us-east-1:000000000000:t"},
    }
    named = {"ConfigurationSetName": "other", "EventDestinationName": "bounces"}
    with ses() as server:
        ses_client = client(server)
        ses_client.create_configuration_set(
            ConfigurationSetName="other", ReputationOptions={"ReputationMetricsEnabled": True}
        )
        ses_client.create_configuration_set_event_destination(**named, EventDestination=destination)
        listed = ses_client.list_configuration_sets()["ConfigurationSets"]
        known = ses_client.get_configuration_set(ConfigurationSetName="other")
        destinations = _destinations(server)
        ses_client.update_configuration_set_event_destination(
            **named, EventDestination={**destination, "Enabled": False}
        )
        changed = _destinations(server)
        ses_client.delete_configuration_set_event_destination(**named)
        gone = _destinations(server)
        ses_client.delete_configuration_set(ConfigurationSetName="other")

    assert listed == ["other", SET]
    assert known["ReputationOptions"] == {"ReputationMetricsEnabled": True}
    assert known["SendingOptions"] == {"SendingEnabled": True}
    assert destinations == [{"Name": "bounces", **destination}]
    assert changed[0]["Enabled"] is False
    assert gone == []


def test_the_suppression_list_is_kept_by_hand_too() -> None:
    """An address is put on the list, read and taken off again."""
    with ses() as server:
        ses_client = client(server)
        ses_client.put_suppressed_destination(EmailAddress=RECIPIENT, Reason="COMPLAINT")
        listed = ses_client.list_suppressed_destinations()["SuppressedDestinationSummaries"]
        known = ses_client.get_suppressed_destination(EmailAddress=RECIPIENT)
        ses_client.delete_suppressed_destination(EmailAddress=RECIPIENT)

    assert [each["EmailAddress"] for each in listed] == [RECIPIENT]
    assert known["SuppressedDestination"]["Reason"] == "COMPLAINT"
    assert server.stand_in.account.suppressed == {}


def test_beside_a_stack_its_sets_and_identities_count_too() -> None:
    """What is not known here is looked for next door, and is as good as one's own."""
    sets = {"stack-set": ConfigurationSet("stack-set")}
    identities = {"hello@stack.example": Identity("hello@stack.example", verified=True)}
    with ses(beside=Beside(sets.get, identities.get)) as server:
        request = raw_request(
            ConfigurationSetName="stack-set", FromEmailAddress="Hello <hello@stack.example>"
        )
        client(server).send_email(**request)

    assert server.stand_in.mails[0].configuration_set == "stack-set"


def test_a_local_session_sends_mail_calls_to_the_stand_in() -> None:
    """Commands that speak to a local stack ask the stand-in about SES, and nothing else."""
    with ses() as server:
        session = open_session(endpoint_url="http://127.0.0.1:9", mail_url=server.url)
        account = session.client("sesv2").get_account()

    assert account["ProductionAccessEnabled"] is True
    assert session.client("sqs").meta.endpoint_url == "http://127.0.0.1:9"


def test_a_session_for_aws_refuses_a_local_ses(monkeypatch: pytest.MonkeyPatch) -> None:
    """With AWS_ENDPOINT_URL_SESV2 on this machine, a session for AWS is not opened."""
    monkeypatch.setenv(MAIL_ENDPOINT, "http://127.0.0.1:8025")

    with pytest.raises(LocalMailForAws, match=MAIL_ENDPOINT):
        open_session()
    open_session(endpoint_url="http://127.0.0.1:9")


def test_nothing_that_ships_names_an_endpoint() -> None:
    """Neither template, configuration nor code says where SES is: AWS is what they find."""
    shipped = [ROOT / "app.py", *ROOT.glob(".chalice/*.json"), *ROOT.glob("chalicelib/**/*.py")]

    assert [path for path in shipped if MAIL_ENDPOINT in path.read_text()] == []


def _destinations(server: SesServer) -> list[dict[str, Any]]:
    answer = client(server).get_configuration_set_event_destinations(ConfigurationSetName="other")
    found: list[dict[str, Any]] = answer["EventDestinations"]
    return found
