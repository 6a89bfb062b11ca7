"""Whether mailboxes will believe the sender: its identity with SES, DKIM, MAIL FROM, DMARC."""

from __future__ import annotations

from collections.abc import Iterator

from ops.dmarc import Dmarc
from ops.finding import Finding, unknown
from ops.stage_facts import Facts, Identity


def judge_identity(facts: Facts) -> Iterator[Finding]:
    """Whether SES sends for the domain, and what it vouches for."""
    if facts.identities is None:
        yield unknown(
            "identity",
            f"SES did not say whether it knows {facts.domain}",
            f"aws sesv2 get-email-identity --email-identity {facts.domain}",
        )
        return
    if not facts.identities:
        yield Finding(
            "blocks",
            "identity",
            f"SES knows neither {facts.address} nor {facts.domain}",
            f"aws sesv2 create-email-identity --email-identity {facts.domain}, then publish the"
            " DNS records that it answers",
        )
    for identity in facts.identities:
        if not identity.verified:
            yield Finding(
                "blocks",
                "identity",
                f"SES has not verified {identity.name}",
                "publish the DNS records that aws sesv2 get-email-identity shows"
                if identity.is_domain
                else "follow the link in the mail that SES sent to it",
            )
        yield from _signatures(identity, facts.domain)


def _signatures(identity: Identity, domain: str) -> Iterator[Finding]:
    if not identity.is_domain:
        yield Finding(
            "warns",
            "dkim",
            f"{identity.name} is verified as an address, so mail is not signed for {domain}",
            f"verify the domain: aws sesv2 create-email-identity --email-identity {domain}",
        )
        return
    if identity.dkim != "SUCCESS":
        yield Finding(
            "warns",
            "dkim",
            f"mail of {identity.name} is not signed: DKIM is {identity.dkim}",
            "publish the three CNAME records that aws sesv2 get-email-identity shows; without"
            " them the large mailbox providers refuse bulk mail",
        )
    if identity.mail_from is None:
        yield Finding(
            "warns",
            "mail_from",
            "the envelope sender is amazonses.com, so SPF does not speak for the shop",
            f"aws sesv2 put-email-identity-mail-from-attributes --email-identity {identity.name}"
            f" --mail-from-domain bounce.{identity.name}, and its MX and TXT records",
        )
    elif identity.mail_from_status != "SUCCESS":
        yield Finding(
            "warns",
            "mail_from",
            f"the envelope domain {identity.mail_from} is {identity.mail_from_status}",
            f"publish the MX and TXT records of {identity.mail_from}",
        )


def judge_dmarc(facts: Facts) -> Iterator[Finding]:
    """Whether the domain has a policy, and whether its mail passes it."""
    dmarc = facts.dmarc
    if dmarc is None:
        yield unknown(
            "dmarc",
            f"no DNS server said which DMARC policy {facts.domain} has",
            f"dig +short TXT _dmarc.{facts.domain}, which must answer v=DMARC1; p=…",
        )
        return
    publish = f'publish one TXT record at _dmarc.{facts.domain}: "v=DMARC1; p=none" at the least'
    if not dmarc.records:
        says = f"{facts.domain} has no DMARC policy: large mailbox providers refuse bulk mail"
        yield Finding("warns", "dmarc", says, publish)
    elif len(dmarc.records) > 1:
        says = f"{dmarc.found_at} has {len(dmarc.records)} DMARC policies, so none of them counts"
        yield Finding("warns", "dmarc", says, publish)
    elif dmarc.policy is None:
        says = f"the DMARC record of {dmarc.found_at} names no policy that counts"
        yield Finding("warns", "dmarc", says, publish)
    elif dmarc.policy != "none" and facts.identities and not _passes(facts, dmarc):
        yield Finding(
            "blocks" if dmarc.policy == "reject" else "warns",
            "dmarc",
            f"the DMARC policy of {dmarc.found_at} is {dmarc.policy}, and neither a DKIM signature"
            f" nor the envelope speaks for {facts.domain}",
            "get DKIM to SUCCESS for that very domain (aws sesv2 get-email-identity shows the"
            " records)",
        )


def _passes(facts: Facts, dmarc: Dmarc) -> bool:
    """Whether mail passes DMARC: signed, or sent from an envelope, in the sender's name."""
    signed, sent = (dmarc.tags.get(name, "r").lower() == "s" for name in ("adkim", "aspf"))
    return any(
        (one.is_domain and one.dkim == "SUCCESS" and dmarc.aligns(one.name, strictly=signed))
        or (
            one.mail_from is not None
            and one.mail_from_status == "SUCCESS"
            and dmarc.aligns(one.mail_from, strictly=sent)
        )
        for one in facts.identities or ()
    )
