"""A domain's DMARC policy, asked of a DNS server on this machine."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest
from dns.exception import DNSException
from dns.resolver import Resolver

from ops.dmarc import Dmarc, ask_dns, find_dmarc

NONE = "v=DMARC1; p=none"


@contextmanager
def name_server(zone: Mapping[str, Sequence[str]]) -> Iterator[Resolver]:
    """A resolver that asks a server with these TXT records; ends with its block."""

    class Answer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            raw, socket = self.request
            query = dns.message.from_wire(raw)
            response = dns.message.make_response(query)
            name = query.question[0].name
            texts = zone.get(name.to_text(omit_final_dot=True))
            if texts is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
            elif texts:
                response.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *texts))
            socket.sendto(response.to_wire(), self.client_address)

    with socketserver.UDPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        resolver = Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.server_address[1]
        try:
            yield resolver
        finally:
            server.shutdown()
            thread.join()


def looked_up(zone: Mapping[str, Sequence[str]], domain: str) -> Dmarc:
    """What is found of a domain."""
    with name_server(zone) as resolver:
        return find_dmarc(domain, ask=lambda name: ask_dns(name, resolver=resolver))


@pytest.mark.parametrize(
    ("zone", "found_at", "policy"),
    [
        ({"_dmarc.shop.example": [f'"{NONE}"']}, "shop.example", "none"),
        ({"_dmarc.shop.example": ['"v=DMARC1; p=rej" "ect; pct=100"']}, "shop.example", "reject"),
        ({"_dmarc.shop.example": ['"some verification"', f'"{NONE}"']}, "shop.example", "none"),
        ({"_dmarc.shop.example": []}, None, None),
        ({"_dmarc.shop.example": ['"v=DMARC10; p=none"']}, None, None),
        ({}, None, None),
    ],
)
def test_a_policy_is_found(
    zone: dict[str, list[str]], found_at: str | None, policy: str | None
) -> None:
    """In one string or several, among other texts; a name that is not there has none."""
    found = looked_up(zone, "shop.example")

    assert (found.found_at, found.policy) == (found_at, policy)


@pytest.mark.parametrize(
    ("record", "policy"),
    [
        ("v=DMARC1; p=reject; sp=none", "none"),
        ("v=DMARC1; p=reject", "reject"),
        ("v=DMARC1; p=none; sp=quarantine", "quarantine"),
    ],
)
def test_a_domain_below_inherits(record: str, policy: str) -> None:
    """From the domain above, which may say something else for those below it."""
    found = looked_up({"_dmarc.shop.example": [f'"{record}"']}, "news.shop.example")

    assert (found.found_at, found.policy) == ("shop.example", policy)


def test_its_own_policy_comes_first() -> None:
    """Whatever the domain above says."""
    zone = {
        "_dmarc.news.shop.example": [f'"{NONE}"'],
        "_dmarc.shop.example": ['"v=DMARC1; p=reject"'],
    }

    assert looked_up(zone, "news.shop.example").policy == "none"


def test_a_server_that_refuses_is_not_an_empty_answer() -> None:
    """Nobody knows then; that is an error, not a missing policy."""
    resolver = Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], 9
    resolver.lifetime = resolver.timeout = 0.3

    def ask(name: str) -> Any:
        return ask_dns(name, resolver=resolver)

    with pytest.raises(DNSException):
        find_dmarc("shop.example", ask=ask)
