"""Every page and form of the console, and what the key of a session must hold for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chalice.app import Request

from chalicelib.api.boundary import Answer
from chalicelib.api.console import home, mails, people, rules
from chalicelib.api.console.door import enter
from chalicelib.api.console.operator import Route
from chalicelib.api.edge import GetEdge

# A session needs a key with the scope operate; what a page shows may need one more, the same that
# the interface asks for the same thing.
PAGES: Mapping[str, Route] = {
    "static": Route(home.static_file, None, is_open=True, is_file=True),
    "sign-in": Route(home.show_sign_in, None, is_open=True),
    "enter": Route(home.sign_in, None, is_open=True),
    "leave": Route(home.sign_out, None),
    "overview": Route(home.overview, None),
    "activity": Route(home.show_activity, None),
    "switch": Route(home.ask_switch, None),
    "turn": Route(home.turn_switch, None),
    "customers": Route(people.ask_for_customer, "read", section="customers"),
    "find": Route(people.find_customer, "read", section="customers"),
    "customer": Route(people.show_customer, "read", section="customers"),
    "export": Route(people.export_customer, "privacy", section="customers"),
    "ask-erase": Route(people.ask_erase, "privacy", section="customers"),
    "erase": Route(people.erase_customer, "privacy", section="customers"),
    "decision": Route(people.show_decision, "read", section="customers"),
    "replay": Route(people.replay_decision, "read", section="customers"),
    "messages": Route(mails.show_messages, "read", section="messages"),
    "drops": Route(mails.ask_for_drop, "read", section="drops"),
    "drop": Route(mails.show_drop, "read", section="drops"),
    "rejects": Route(mails.download_rejects, "read", section="drops"),
    "policies": Route(rules.list_policies, None, section="policies"),
    "policy": Route(rules.show_policy, None, section="policies"),
    "activate": Route(rules.activate_policy, None, section="policies"),
    "model": Route(rules.show_model, None, section="model"),
}


def answer(page: str, request: Request | None, get_edge: GetEdge, ids: Sequence[str]) -> Answer:
    """Answer a request for a page by its name in ``PAGES``."""
    if request is None:  # Chalice's type allows it; within a request it never is
        raise RuntimeError("a page was asked for outside of a request")
    return enter(PAGES[page], request, get_edge, ids)
