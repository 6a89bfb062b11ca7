"""A domain's DMARC policy, which stands in the DNS alone (RFC 7489).

Asked of the resolver of this machine: the sender's domain first, then the domains above it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from dns.resolver import NXDOMAIN, NoAnswer, Resolver

_POLICIES = ("none", "quarantine", "reject")
Ask = Callable[[str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Dmarc:
    """What was found.

    Attributes:
        domain: whose mail it is about.
        found_at: the domain that has it, the same or one above; None where there is none.
        records: its TXT records that say DMARC; more than one counts as none.
    """

    domain: str
    found_at: str | None = None
    records: tuple[str, ...] = ()

    @property
    def tags(self) -> Mapping[str, str]:
        """The record taken apart; nothing unless there is exactly one."""
        if len(self.records) != 1:
            return {}
        pairs = (part.partition("=") for part in self.records[0].split(";"))
        return {name.strip().lower(): value.strip() for name, _, value in pairs if value.strip()}

    @property
    def policy(self) -> str | None:
        """What mailboxes are to do with mail that fails; None where the record does not say."""
        inherited = self.found_at != self.domain
        said = (inherited and self.tags.get("sp")) or self.tags.get("p", "")
        return said.lower() if said.lower() in _POLICIES else None

    def aligns(self, domain: str, *, strictly: bool) -> bool:
        """Whether what another domain vouches for counts for this one.

        Relaxed alignment asks for one organization; here that is one domain above the other.
        """
        mine, other = self.domain.lower(), domain.lower()
        if strictly:
            return mine == other
        return mine == other or mine.endswith(f".{other}") or other.endswith(f".{mine}")


def find_dmarc(domain: str, *, ask: Ask) -> Dmarc:
    """Look a domain's policy up; whatever ``ask`` raises is raised.

    Args:
        domain: after the @ of the sender.
        ask: gives the TXT records of a name, nothing where there are none.
    """
    for name in upwards(domain):
        said = tuple(text for text in ask(f"_dmarc.{name}") if re.match(r"v=DMARC1\b", text))
        if said:
            return Dmarc(domain, name, said)
    return Dmarc(domain)


def ask_dns(name: str, *, resolver: Resolver | None = None) -> tuple[str, ...]:
    """The TXT records of a name, by this machine's resolver unless another is given.

    Raises DNSException when nobody answers.
    """
    try:
        answer = (resolver or Resolver()).resolve(name, "TXT")
    except (NXDOMAIN, NoAnswer):
        return ()
    return tuple(b"".join(each.strings).decode(errors="replace") for each in answer)


def upwards(domain: str) -> Iterator[str]:
    """A domain and those above it, down to two labels."""
    while "." in domain:
        yield domain
        domain = domain.partition(".")[2]
