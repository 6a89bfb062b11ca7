"""Money as whole minor units with an ISO 4217 code; no floats anywhere near a price."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from chalicelib.core.errors import BadInput

# Digits after the decimal point by ISO 4217 (list one, active codes of national currencies).
# Source: ISO 4217 maintenance agency, list one; funds and metals are left out on purpose.
_TWO = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD "
    "HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA "
    "MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN "
    "QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP "
    "TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW"
)
_ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"

MINOR_DIGITS: dict[str, int] = {
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys(_ZERO.split(), 0),
    **dict.fromkeys(_THREE.split(), 3),
}
# One order above this is a data error, and larger sums would leave the exact range of floats.
LARGEST_AMOUNT_MINOR = 10**12


def check_currency(code: object, *, field: str) -> str:
    """Return the ISO 4217 code; raises BadInput when it is not one we know."""
    if not isinstance(code, str) or code not in MINOR_DIGITS:
        raise BadInput.of(field, "must be an upper-case ISO 4217 code such as USD")
    return code


def parse_amount(value: object, *, currency: str, field: str) -> int:
    """Turn an amount in major units (``29.33``, ``"29.33"``) into minor units, half to even.

    Raises BadInput for anything that is not a finite, non-negative number within bounds.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise BadInput.of(field, "must be a number in major units such as 29.33")
    try:
        # repr of a float is its shortest exact form: 29.33 stays 29.33.
        amount = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except InvalidOperation:
        raise BadInput.of(field, "must be a number in major units such as 29.33") from None
    if not amount.is_finite():
        raise BadInput.of(field, "must be finite")
    if amount < 0:
        raise BadInput.of(field, "must not be negative")
    if amount > LARGEST_AMOUNT_MINOR:
        raise BadInput.of(field, f"must be at most {LARGEST_AMOUNT_MINOR} minor units")
    minor = int(amount.scaleb(MINOR_DIGITS[currency]).to_integral_value(ROUND_HALF_EVEN))
    if minor > LARGEST_AMOUNT_MINOR:
        raise BadInput.of(field, f"must be at most {LARGEST_AMOUNT_MINOR} minor units")
    return minor


def format_amount(amount_minor: int, *, currency: str) -> str:
    """Write minor units for a person.

    >>> format_amount(1999, currency="USD")
    '19.99 USD'
    """
    digits = MINOR_DIGITS[currency]
    return f"{Decimal(amount_minor).scaleb(-digits):.{digits}f} {currency}"
