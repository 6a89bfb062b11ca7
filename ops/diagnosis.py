"""What stands in the way of real sending: pure findings from gathered facts, each with its fix.

A fact that could not be looked up is None, and becomes a finding of its own: silence is not health.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from ops.diagnosis_sender import judge_dmarc, judge_identity
from ops.finding import Finding, Severity, unknown
from ops.stage_facts import Facts

# A new account's limit; below twice of it nothing can be reserved for the checkout.
NEW_ACCOUNT_CONCURRENCY = 10
ROOM_FOR_CHECKOUT = 3  # an authorizer and two requests
MAILS_PER_WORKER_SECOND = 10  # as ops/operating_table.toml says
QUOTA_NEARLY_USED = 0.8


def diagnose(facts: Facts) -> list[Finding]:
    """Every finding, what blocks first; nothing of what is as it should be."""
    found = [finding for judge in _JUDGES for finding in judge(facts)]
    order: tuple[Severity, ...] = ("blocks", "warns", "unknown")
    return sorted(found, key=lambda finding: order.index(finding.severity))


def _account(facts: Facts) -> Iterator[Finding]:
    account = facts.account
    if account is None:
        yield unknown("account", "SES did not describe the account", "aws sesv2 get-account")
        return
    if not account.production:
        yield Finding(
            "blocks",
            "sandbox",
            "SES holds the account in its sandbox: it sends to verified addresses alone",
            "aws sesv2 put-account-details --production-access-enabled --mail-type MARKETING"
            " --website-url YOUR_SHOP, then wait for the answer of AWS",
        )
    if not account.sending:
        yield Finding(
            "blocks",
            "paused",
            "sending is paused for the whole account",
            "find out who paused it and why, then aws sesv2 put-account-sending-attributes"
            " --sending-enabled",
        )
    if account.enforcement != "HEALTHY":
        yield Finding(
            "blocks" if account.enforcement == "SHUTDOWN" else "warns",
            "enforcement",
            f"AWS has the account under {account.enforcement}",
            "read the case in the AWS Support Center, and answer it",
        )


def _quota(facts: Facts) -> Iterator[Finding]:
    account = facts.account
    if account is None:
        return  # said already
    used = account.sent_of_late / account.most_per_day if account.most_per_day > 0 else 0.0
    if used >= QUOTA_NEARLY_USED:
        yield Finding(
            "blocks" if used >= 1 else "warns",
            "quota",
            f"{account.sent_of_late:.0f} of {account.most_per_day:.0f} mails of 24 hours are sent",
            "ask for a higher quota in Service Quotas (SES, sending quota); until then mails wait",
        )
    fastest = facts.workers * MAILS_PER_WORKER_SECOND
    if account.most_per_second < fastest:
        yield Finding(
            "warns",
            "rate",
            f"SES takes {account.most_per_second:g} mails a second, the workers can send {fastest}",
            "ask for a higher rate in Service Quotas (SES, sending rate); until then mails wait",
        )


def _switches(facts: Facts) -> Iterator[Finding]:
    if facts.set_sends is None:
        yield unknown(
            "configuration_set",
            "SES did not describe the configuration set",
            "aws sesv2 get-configuration-set --configuration-set-name NAME",
        )
    if facts.set_sends is False:
        yield Finding(
            "blocks",
            "configuration_set",
            "sending is paused for the configuration set",
            "aws sesv2 put-configuration-set-sending-options --sending-enabled"
            " --configuration-set-name NAME",
        )
    if facts.switched_on is None:
        yield unknown("switch", "the control table did not answer", "GET /v1/control")
    if facts.switched_on is False:
        yield Finding(
            "blocks",
            "switch",
            "the kill switch for sending is off",
            'turn it on when the cause is gone: PUT /v1/control {"sending": true}',
        )


def _concurrency(facts: Facts) -> Iterator[Finding]:
    if facts.concurrency is None:
        yield unknown(
            "concurrency",
            "Lambda did not say how many functions the account runs at once",
            "aws lambda get-account-settings",
        )
        return
    room = facts.concurrency - facts.batch_concurrency
    says = (
        f"the account runs {facts.concurrency} functions at once, batch work takes up to"
        f" {facts.batch_concurrency}"
    )
    fix = (
        "ask for 1,000 in Service Quotas (Lambda, concurrent executions, L-B99A9384), and deploy"
        " with --parts-at-once 0 until then"
    )
    if room <= 0:
        yield Finding("blocks", "concurrency", f"{says}: checkouts would be refused", fix)
    elif room < ROOM_FOR_CHECKOUT:
        yield Finding("warns", "concurrency", f"{says}: checkouts may be refused meanwhile", fix)
    elif facts.concurrency <= NEW_ACCOUNT_CONCURRENCY:
        yield Finding("warns", "concurrency", f"{says}, and none can be reserved for checkout", fix)


def _unsubscribe(facts: Facts) -> Iterator[Finding]:
    url = urlsplit(facts.public_url)
    host = url.hostname or ""
    nowhere = host.endswith(".invalid") or host in ("localhost", "127.0.0.1")
    if url.scheme != "https" or nowhere:
        yield Finding(
            "blocks",
            "unsubscribe",
            f"unsubscribe links lead to {facts.public_url}: RFC 8058 asks for https, and for a"
            " place that mailbox providers can reach",
            f"python -m ops deploy --stage {facts.stage} --public-url https://…",
        )


def _dead_letters(facts: Facts) -> Iterator[Finding]:
    if facts.dead_letters is None:
        yield unknown("dead_letters", "SQS did not count what is parked", "look into the console")
        return
    for name, count in facts.dead_letters.items():
        if count:
            yield Finding(
                "warns",
                "dead_letters",
                f"{count} parked in the dead-letter queue of {name}",
                f"mend the cause, then python -m ops redrive {name} --stage {facts.stage}",
            )


def _alarms(facts: Facts) -> Iterator[Finding]:
    alarms = facts.alarms
    if alarms is None:
        yield unknown("alarms", "nobody said who hears of alarms", "aws cloudwatch describe-alarms")
        return
    if not alarms.listening:
        yield Finding(
            "warns",
            "alarms",
            "nobody has confirmed the subscription to the alarms"
            if alarms.unconfirmed
            else "nobody hears of alarms",
            "follow the link in the mail of AWS Notifications"
            if alarms.unconfirmed
            else f"python -m ops deploy --stage {facts.stage} --alarm-email YOU",
        )
    if alarms.mute:
        yield Finding(
            "warns", "alarms", f"these tell nobody: {', '.join(alarms.mute)}", "deploy again"
        )
    if alarms.ringing:
        yield Finding(
            "warns",
            "alarms",
            f"these ring now: {', '.join(alarms.ringing)}",
            "docs/operations.md says what to do when …",
        )


_JUDGES: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    _account,
    judge_identity,
    _switches,
    _unsubscribe,
    _quota,
    _concurrency,
    judge_dmarc,
    _dead_letters,
    _alarms,
)
