"""Planted bugs about codes that are taken back."""

from __future__ import annotations

from chalicelib.core import joining
from chalicelib.flows.code_desk import CodeDesk
from tests.crash.bugs import Planted, add, replaced
from tests.crash.rewrites import add_rewrite, left_out, unconditional

_LEAKED, _LOGS_IN = ["redeem, a leaked code"], ["redeem, a guest logs in"]
add(
    Planted(
        "codes not joined",
        "A guest who logs in keeps a code beside the customer's own.",
        _LOGS_IN,
        stand=lambda: replaced((CodeDesk, "join", lambda *_given: None)),
    )
)
add(
    Planted(
        "the cart's code given up",
        "Of two codes the customer's own is kept, whatever a cart holds.",
        _LOGS_IN,
        stand=lambda: replaced((joining, "_USABLE", frozenset({"live"}))),
    )
)
add_rewrite(
    "revoked, its money kept",
    "A code is revoked and what its cart held is not given back.",
    _LEAKED,
    left_out("allotment"),
)
add_rewrite(
    "revoked over what has moved",
    "A revocation saves the code whoever moved it meanwhile.",
    _LEAKED,
    unconditional("coupon", "allotment"),
)
