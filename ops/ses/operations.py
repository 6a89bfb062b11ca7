"""The calls besides SendEmail that deployment and diagnosis make, each by method and path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from ops.ses.account import Account, ConfigurationSet, EventDestination, Identity
from ops.ses.errors import SesError, already_exists, bad_request, not_found, not_imitated
from ops.ses.stand_in import SesStandIn

Body = Mapping[str, Any]
Operation = Callable[[SesStandIn, Body, str, str], Body]


def call(stand_in: SesStandIn, method: str, path: str, body: Body) -> Body:
    """Answer one call; raises SesError, NotImitated where there is no such operation here."""
    for wanted, pattern, operation in _OPERATIONS:
        found = pattern.fullmatch(path)
        if wanted == method and found is not None:
            names = [unquote(each) for each in found.groups()]
            first, second = (*names, "", "")[:2]
            return operation(stand_in, body, first, second)
    raise not_imitated(f"{method} {path}")


def destination_from_json(name: str, said: Mapping[str, Any]) -> EventDestination:
    """An event destination as its definition says."""
    topic = said.get("SnsDestination") or {}
    return EventDestination(
        name=name,
        event_types=frozenset(said.get("MatchingEventTypes") or ()),
        topic_arn=topic.get("TopicArn"),
        enabled=bool(said.get("Enabled", False)),
        definition=said,
    )


def _get_account(stand_in: SesStandIn, _: Body, __: str, ___: str) -> Body:
    account = stand_in.account
    return {
        "DedicatedIpAutoWarmupEnabled": False,
        "EnforcementStatus": account.enforcement,
        "ProductionAccessEnabled": account.production,
        "SendQuota": {
            "Max24HourSend": account.max_24_hours,
            "MaxSendRate": account.rate,
            "SentLast24Hours": float(account.sent_last_24_hours(stand_in.clock())),
        },
        "SendingEnabled": account.sending_enabled,
        "SuppressionAttributes": {"SuppressedReasons": list(account.suppressed_reasons)},
    }


def _put_sending(stand_in: SesStandIn, body: Body, _: str, __: str) -> Body:
    stand_in.account.sending_enabled = bool(body.get("SendingEnabled", False))
    return {}


def _put_suppression(stand_in: SesStandIn, body: Body, _: str, __: str) -> Body:
    stand_in.account.suppressed_reasons = tuple(body.get("SuppressedReasons") or ())
    return {}


def _create_identity(stand_in: SesStandIn, body: Body, _: str, __: str) -> Body:
    account, name = stand_in.account, str(body.get("EmailIdentity") or "")
    if not name or name.startswith("@") or "." not in name:
        raise bad_request(f"Invalid email identity: {name}")
    if name in account.identities:
        raise already_exists(f"Email identity {name} already exist.")
    identity = Identity(name, verified=account.verify_at_once)
    if identity.is_domain:
        identity.dkim = "SUCCESS" if account.verify_at_once else "PENDING"
    identity.configuration_set = body.get("ConfigurationSetName")
    account.identities[name] = identity
    return {
        "IdentityType": _identity_type(identity),
        "VerifiedForSendingStatus": identity.verified,
        "DkimAttributes": _dkim(identity),
    }


def _get_identity(stand_in: SesStandIn, _: Body, name: str, __: str) -> Body:
    identity = _identity(stand_in.account, name)
    mail_from: dict[str, Any] = {"BehaviorOnMxFailure": "USE_DEFAULT_VALUE"}
    if identity.mail_from_domain is not None:
        mail_from["MailFromDomain"] = identity.mail_from_domain
        mail_from["MailFromDomainStatus"] = identity.mail_from_status
    told = {
        "IdentityType": _identity_type(identity),
        "FeedbackForwardingStatus": True,
        "VerifiedForSendingStatus": identity.verified,
        "VerificationStatus": "SUCCESS" if identity.verified else "PENDING",
        "DkimAttributes": _dkim(identity),
        "MailFromAttributes": mail_from,
        "Policies": {},
        "Tags": [],
    }
    if identity.configuration_set is not None:
        told["ConfigurationSetName"] = identity.configuration_set
    return told


def _delete_identity(stand_in: SesStandIn, _: Body, name: str, __: str) -> Body:
    del stand_in.account.identities[_identity(stand_in.account, name).name]
    return {}


def _list_identities(stand_in: SesStandIn, _: Body, __: str, ___: str) -> Body:
    listed = [
        {
            "IdentityType": _identity_type(identity),
            "IdentityName": identity.name,
            "SendingEnabled": identity.verified,
            "VerificationStatus": "SUCCESS" if identity.verified else "PENDING",
        }
        for identity in stand_in.account.identities.values()
    ]
    return {"EmailIdentities": listed}


def _create_set(stand_in: SesStandIn, body: Body, _: str, __: str) -> Body:
    name = str(body.get("ConfigurationSetName") or "")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise bad_request(f"Invalid configuration set name: {name}")
    if name in stand_in.account.configuration_sets:
        raise already_exists(f"Configuration set <{name}> already exists.")
    options = {key: value for key, value in body.items() if key != "ConfigurationSetName"}
    enabled = bool((body.get("SendingOptions") or {}).get("SendingEnabled", True))
    stand_in.account.configuration_sets[name] = ConfigurationSet(name, enabled, options)
    return {}


def _get_set(stand_in: SesStandIn, _: Body, name: str, __: str) -> Body:
    found = _configuration_set(stand_in, name)
    return {
        **found.options,
        "ConfigurationSetName": found.name,
        "SendingOptions": {"SendingEnabled": found.sending_enabled},
    }


def _delete_set(stand_in: SesStandIn, _: Body, name: str, __: str) -> Body:
    _configuration_set(stand_in, name)
    del stand_in.account.configuration_sets[name]
    return {}


def _list_sets(stand_in: SesStandIn, _: Body, __: str, ___: str) -> Body:
    return {"ConfigurationSets": sorted(stand_in.account.configuration_sets)}


def _put_set_sending(stand_in: SesStandIn, body: Body, name: str, _: str) -> Body:
    _configuration_set(stand_in, name).sending_enabled = bool(body.get("SendingEnabled", False))
    return {}


def _create_destination(stand_in: SesStandIn, body: Body, name: str, _: str) -> Body:
    chosen = _configuration_set(stand_in, name)
    destination = str(body.get("EventDestinationName") or "")
    if destination in chosen.destinations:
        raise already_exists(f"Event destination <{destination}> already exists.")
    return _put_destination(stand_in, body, name, destination)


def _update_destination(stand_in: SesStandIn, body: Body, name: str, destination: str) -> Body:
    _destination(stand_in, name, destination)
    return _put_destination(stand_in, body, name, destination)


def _put_destination(stand_in: SesStandIn, body: Body, name: str, destination: str) -> Body:
    said = body.get("EventDestination") or {}
    if not said.get("MatchingEventTypes"):
        raise bad_request("An event destination needs event types.")
    chosen = _configuration_set(stand_in, name)
    chosen.destinations[destination] = destination_from_json(destination, said)
    return {}


def _get_destinations(stand_in: SesStandIn, _: Body, name: str, __: str) -> Body:
    found = _configuration_set(stand_in, name).destinations.values()
    return {"EventDestinations": [{**each.definition, "Name": each.name} for each in found]}


def _delete_destination(stand_in: SesStandIn, _: Body, name: str, destination: str) -> Body:
    _destination(stand_in, name, destination)
    del _configuration_set(stand_in, name).destinations[destination]
    return {}


def _put_suppressed(stand_in: SesStandIn, body: Body, _: str, __: str) -> Body:
    address, reason = str(body.get("EmailAddress") or ""), body.get("Reason")
    if reason not in ("BOUNCE", "COMPLAINT"):
        raise bad_request("Reason must be BOUNCE or COMPLAINT.")
    stand_in.account.suppressed[address.lower()] = (reason, stand_in.clock())
    return {}


def _get_suppressed(stand_in: SesStandIn, _: Body, address: str, __: str) -> Body:
    reason, at = _suppressed(stand_in, address)
    told = {"EmailAddress": address.lower(), "Reason": reason, "LastUpdateTime": at}
    return {"SuppressedDestination": told}


def _delete_suppressed(stand_in: SesStandIn, _: Body, address: str, __: str) -> Body:
    _suppressed(stand_in, address)
    del stand_in.account.suppressed[address.lower()]
    return {}


def _list_suppressed(stand_in: SesStandIn, _: Body, __: str, ___: str) -> Body:
    listed = [
        {"EmailAddress": address, "Reason": reason, "LastUpdateTime": at}
        for address, (reason, at) in stand_in.account.suppressed.items()
    ]
    return {"SuppressedDestinationSummaries": listed}


def _identity(account: Account, name: str) -> Identity:
    if name not in account.identities:
        raise not_found(f"Email identity {name} does not exist.")
    return account.identities[name]


def _identity_type(identity: Identity) -> str:
    return "DOMAIN" if identity.is_domain else "EMAIL_ADDRESS"


def _dkim(identity: Identity) -> Body:
    tokens = [f"token{number}" for number in (1, 2, 3)] if identity.is_domain else []
    return {
        "SigningEnabled": identity.dkim == "SUCCESS",
        "Status": identity.dkim,
        "SigningAttributesOrigin": "AWS_SES",
        "Tokens": tokens,
    }


def _configuration_set(stand_in: SesStandIn, name: str) -> ConfigurationSet:
    found = stand_in.configuration_set(name)
    if found is None:
        raise not_found(f"Configuration set <{name}> does not exist.")
    return found


def _destination(stand_in: SesStandIn, name: str, destination: str) -> EventDestination:
    found = _configuration_set(stand_in, name).destinations.get(destination)
    if found is None:
        raise not_found(f"Event destination <{destination}> does not exist.")
    return found


def _suppressed(stand_in: SesStandIn, address: str) -> tuple[str, float]:
    found = stand_in.account.suppressed.get(address.lower())
    if found is None:
        raise SesError(
            "NotFoundException",
            f"Email address {address} does not exist on your suppression list.",
            status=404,
        )
    return found


def _at(path: str) -> re.Pattern[str]:
    """A path under /v2/email; each {} is a name."""
    return re.compile(r"/v2/email" + re.escape(path).replace(r"\{\}", "([^/]+)"))


_SETS = "/configuration-sets"
_DESTINATIONS = f"{_SETS}/{{}}/event-destinations"
_SUPPRESSED = "/suppression/addresses"
_OPERATIONS: tuple[tuple[str, re.Pattern[str], Operation], ...] = (
    ("GET", _at("/account"), _get_account),
    ("PUT", _at("/account/sending"), _put_sending),
    ("PUT", _at("/account/suppression"), _put_suppression),
    ("POST", _at("/identities"), _create_identity),
    ("GET", _at("/identities"), _list_identities),
    ("POST", _at("/list-identities"), _list_identities),
    ("GET", _at("/identities/{}"), _get_identity),
    ("DELETE", _at("/identities/{}"), _delete_identity),
    ("POST", _at(_SETS), _create_set),
    ("GET", _at(_SETS), _list_sets),
    ("POST", _at("/list-configuration-sets"), _list_sets),
    ("GET", _at(f"{_SETS}/{{}}"), _get_set),
    ("DELETE", _at(f"{_SETS}/{{}}"), _delete_set),
    ("PUT", _at(f"{_SETS}/{{}}/sending"), _put_set_sending),
    ("POST", _at(_DESTINATIONS), _create_destination),
    ("GET", _at(_DESTINATIONS), _get_destinations),
    ("PUT", _at(f"{_DESTINATIONS}/{{}}"), _update_destination),
    ("DELETE", _at(f"{_DESTINATIONS}/{{}}"), _delete_destination),
    ("PUT", _at(_SUPPRESSED), _put_suppressed),
    ("GET", _at(_SUPPRESSED), _list_suppressed),
    ("POST", _at("/list-suppression-addresses"), _list_suppressed),
    ("GET", _at(f"{_SUPPRESSED}/{{}}"), _get_suppressed),
    ("DELETE", _at(f"{_SUPPRESSED}/{{}}"), _delete_suppressed),
)
