"""Names that nothing touching a price may read: protected attributes, demographics and proxies.

The list follows what New York's General Business Law 349-a calls protected class data, the special
categories of GDPR article 9, and the proxies that fairness audits know: where someone lives, what
they are called, and the device they hold. A policy adds its own under ``price_proxies``. A column
that is called ``f7`` passes: what it stands for is for an audit of outcomes to find.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_PROTECTED = frozenset({
    "age", "birth", "birthdate", "birthday", "born", "dob", "yob",
    "ages", "gender", "genders", "male", "female", "sex", "pronoun", "pronouns",
    "orientation", "sexual", "sexuality",
    "race", "racial", "ethnic", "ethnicity", "color", "colour", "ancestry", "caste", "tribe",
    "religion", "religious", "faith", "belief", "beliefs", "creed",
    "nationality", "national", "citizenship", "citizen", "immigration", "origin",
    "disability", "disabled", "health", "medical", "genetic", "biometric",
    "pregnant", "pregnancy", "reproductive", "marital", "married", "family", "household",
    "children", "kids", "parent", "veteran", "military", "politics", "political", "party", "union",
})  # fmt: skip
_PROXIES = frozenset({
    "zip", "zipcode", "postcode", "postal", "neighborhood", "neighbourhood", "district", "borough",
    "county", "city", "region", "state", "address", "street", "latitude", "longitude", "lat", "lon",
    "geo", "geohash", "location", "zone", "timezone",
    "name", "forename", "firstname", "surname", "lastname", "title", "salutation",
    "language", "locale", "accent", "income", "salary", "wealth", "education", "occupation",
    "device", "browser", "os", "platform", "battery", "ip", "agent", "carrier",
})  # fmt: skip
_WORD = re.compile(r"[a-z]+")


def protected_word(name: str, *, more: Collection[str] = ()) -> str | None:
    """The word of a feature's name that bars it from prices, None where there is none.

    >>> protected_word("customer_zip_code"), protected_word("message_count")
    ('zip', None)
    """
    if name in more:
        return name
    words = _WORD.findall(name.lower())
    return next((word for word in words if word in _PROTECTED or word in _PROXIES), None)
