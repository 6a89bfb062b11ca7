"""What stands in the way of real sending: one fact out of order is one finding, with its fix."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ops.diagnosis import diagnose
from ops.dmarc import Dmarc
from ops.stage_facts import Alarms, Facts, Identity, MailAccount

ACCOUNT = MailAccount(
    production=True,
    sending=True,
    enforcement="HEALTHY",
    most_per_day=50_000,
    sent_of_late=100,
    most_per_second=100,
)
DOMAIN = Identity("shop.example", True, "SUCCESS", "bounce.shop.example", "SUCCESS")
WELL = Facts(
    stage="prod",
    address="hello@shop.example",
    public_url="https://api.shop.example/api",
    identities=(DOMAIN,),
    dmarc=Dmarc("shop.example", "shop.example", ("v=DMARC1; p=reject; rua=mailto:a@shop.example",)),
    account=ACCOUNT,
    set_sends=True,
    switched_on=True,
    concurrency=1_000,
    batch_concurrency=6,
    workers=2,
    dead_letters={"drops": 0, "effects": 0},
    alarms=Alarms(listening=1, unconfirmed=0, mute=(), ringing=()),
)


def found(**changes: Any) -> list[tuple[str, str]]:
    """Severity and topic of what is found in a stage that is well but for this."""
    return [(each.severity, each.topic) for each in diagnose(replace(WELL, **changes))]


def published(*records: str, at: str | None = "shop.example") -> Dmarc:
    """What the DNS has for the sender's domain."""
    return Dmarc("shop.example", at, records)


def account(**changes: Any) -> MailAccount:
    """An account like the one above."""
    return replace(ACCOUNT, **changes)


def test_a_stage_that_is_well_leaves_nothing_to_say() -> None:
    """Not a line but that nothing keeps mail from going out."""
    assert diagnose(WELL) == []


def test_a_dns_that_does_not_answer_leaves_dmarc_to_look_at() -> None:
    """The command for it is said."""
    [dmarc] = diagnose(replace(WELL, dmarc=None))

    assert (dmarc.severity, dmarc.topic) == ("unknown", "dmarc")
    assert "dig +short TXT _dmarc.shop.example" in dmarc.fix


@pytest.mark.parametrize(
    ("dmarc", "says"),
    [
        (published(at=None), "has no DMARC policy"),
        (published("v=DMARC1; p=none", "v=DMARC1; p=reject"), "2 DMARC policies"),
        (published("v=DMARC1; rua=mailto:a@shop.example"), "names no policy"),
        (published("v=DMARC1; p=maybe"), "names no policy"),
    ],
)
def test_a_policy_that_mailboxes_do_not_find_warns(dmarc: Dmarc, says: str) -> None:
    """None, several, or one that says nothing: providers then refuse bulk mail."""
    [finding] = diagnose(replace(WELL, dmarc=dmarc))

    assert (finding.severity, finding.topic) == ("warns", "dmarc")
    assert says in finding.says
    assert "_dmarc.shop.example" in finding.fix


UNSIGNED = replace(DOMAIN, dkim="PENDING", mail_from_status="PENDING")


@pytest.mark.parametrize(
    ("record", "identity", "severity"),
    [
        ("p=reject", UNSIGNED, "blocks"),
        ("p=quarantine", UNSIGNED, "warns"),
        ("p=none", UNSIGNED, None),
        ("p=reject", replace(UNSIGNED, dkim="SUCCESS"), None),
        ("p=reject", replace(UNSIGNED, mail_from_status="SUCCESS"), None),
        ("p=reject; aspf=s", replace(UNSIGNED, mail_from_status="SUCCESS"), "blocks"),
        ("p=reject; adkim=s", replace(UNSIGNED, dkim="SUCCESS"), None),
        ("p=reject; adkim=s", replace(UNSIGNED, dkim="SUCCESS", name="example"), "blocks"),
        ("p=reject", replace(UNSIGNED, name="hello@shop.example"), "blocks"),
    ],
)
def test_a_policy_that_our_own_mail_fails_blocks_it(
    record: str, identity: Identity, severity: str | None
) -> None:
    """Mailboxes that are told to reject do: unless a signature or the envelope is aligned."""
    facts = replace(WELL, dmarc=published(f"v=DMARC1; {record}"), identities=(identity,))

    of_dmarc = [each.severity for each in diagnose(facts) if each.topic == "dmarc"]

    assert of_dmarc == ([] if severity is None else [severity])


def test_who_the_sender_is_must_be_known_to_judge_it() -> None:
    """Without an answer of SES nothing is said of what its mail passes."""
    assert found(identities=None) == [("unknown", "identity")]


@pytest.mark.parametrize(
    ("changes", "topic"),
    [
        ({"account": account(production=False)}, "sandbox"),
        ({"account": account(sending=False)}, "paused"),
        ({"account": account(enforcement="SHUTDOWN")}, "enforcement"),
        ({"account": account(sent_of_late=50_000)}, "quota"),
        ({"identities": ()}, "identity"),
        ({"identities": (replace(DOMAIN, verified=False),)}, "identity"),
        ({"set_sends": False}, "configuration_set"),
        ({"switched_on": False}, "switch"),
        ({"concurrency": 6}, "concurrency"),
        ({"public_url": "http://api.shop.example/api"}, "unsubscribe"),
        ({"public_url": "https://pending.invalid"}, "unsubscribe"),
        ({"public_url": "https://localhost:4566/api"}, "unsubscribe"),
    ],
)
def test_what_keeps_mail_from_going_out_blocks(changes: dict[str, Any], topic: str) -> None:
    """One thing out of order is one finding."""
    assert found(**changes) == [("blocks", topic)]


@pytest.mark.parametrize(
    ("changes", "topic"),
    [
        ({"account": account(enforcement="PROBATION")}, "enforcement"),
        ({"account": account(sent_of_late=40_000)}, "quota"),
        ({"account": account(most_per_second=14)}, "rate"),
        ({"identities": (replace(DOMAIN, dkim="PENDING"),)}, "dkim"),
        ({"identities": (replace(DOMAIN, dkim="DISABLED"),)}, "dkim"),
        ({"identities": (replace(DOMAIN, name="hello@shop.example"),)}, "dkim"),
        ({"identities": (replace(DOMAIN, mail_from=None),)}, "mail_from"),
        ({"identities": (replace(DOMAIN, mail_from_status="FAILED"),)}, "mail_from"),
        ({"concurrency": 8}, "concurrency"),
        ({"concurrency": 10}, "concurrency"),
        ({"dead_letters": {"drops": 0, "effects": 3}}, "dead_letters"),
        ({"alarms": Alarms(0, 0, (), ())}, "alarms"),
        ({"alarms": Alarms(0, 1, (), ())}, "alarms"),
        ({"alarms": Alarms(1, 0, ("a",), ())}, "alarms"),
        ({"alarms": Alarms(1, 0, (), ("a",))}, "alarms"),
    ],
)
def test_what_spoils_mail_or_its_supervision_warns(changes: dict[str, Any], topic: str) -> None:
    """Mail goes out nevertheless."""
    assert found(**changes) == [("warns", topic)]


@pytest.mark.parametrize(
    ("name", "topics"),
    [
        ("account", ["account"]),
        ("identities", ["identity"]),
        ("dmarc", ["dmarc"]),
        ("set_sends", ["configuration_set"]),
        ("switched_on", ["switch"]),
        ("concurrency", ["concurrency"]),
        ("dead_letters", ["dead_letters"]),
        ("alarms", ["alarms"]),
    ],
)
def test_what_could_not_be_looked_up_is_said(name: str, topics: list[str]) -> None:
    """Silence is not health, and not an obstacle either."""
    assert found(**{name: None}) == [("unknown", topic) for topic in topics]


def test_an_unlimited_quota_is_never_used_up() -> None:
    """SES says -1 where there is no limit."""
    assert found(account=account(most_per_day=-1, sent_of_late=10**9)) == []


def test_every_finding_names_its_fix_and_what_blocks_comes_first() -> None:
    """A stage in which nothing is right."""
    findings = diagnose(
        replace(
            WELL,
            account=account(production=False, sending=False, most_per_second=1),
            identities=(),
            public_url="http://127.0.0.1:8000",
            concurrency=None,
            dead_letters={"effects": 2},
        )
    )

    severities = [each.severity for each in findings]
    assert severities == sorted(severities, key=["blocks", "warns", "unknown"].index)
    assert all(each.fix and each.says for each in findings)
    [parked] = [each for each in findings if each.topic == "dead_letters"]
    assert "python -m ops redrive effects --stage prod" in parked.fix
