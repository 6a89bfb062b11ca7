"""What the environment must say, and that nothing of it is repeated when it is wrong."""

from __future__ import annotations

import re

import pytest

from chalicelib.core.errors import Broken
from chalicelib.settings import Settings, read_settings, variable_of
from ops.places import RESOURCES
from tests.storefront import SETTINGS

GOOD = {
    variable_of(name): str(value) for name, value in SETTINGS.model_dump(exclude_none=True).items()
}
REQUIRED = [name for name, field in Settings.model_fields.items() if field.is_required()]


def without(name: str) -> dict[str, str]:
    """The environment less one variable."""
    return {key: value for key, value in GOOD.items() if key != variable_of(name)}


def test_the_environment_gives_the_settings() -> None:
    """Each variable is one setting; others are none of ours."""
    assert read_settings({**GOOD, "PATH": "/bin", "SEGUE_UNHEARD_OF": "x"}) == SETTINGS


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_variable_is_named(name: str) -> None:
    """Whoever deploys learns which one to set."""
    with pytest.raises(Broken, match=f"{variable_of(name)}: Field required"):
        read_settings(without(name))


@pytest.mark.parametrize("name", REQUIRED)
def test_an_empty_variable_is_a_missing_one(name: str) -> None:
    """CloudFormation cannot leave a variable out, only leave it empty."""
    with pytest.raises(Broken, match=variable_of(name)):
        read_settings({**GOOD, variable_of(name): ""})


def test_every_fault_is_named_at_once() -> None:
    """Two mistakes cost one deployment, not two."""
    bad = {**without("bus_name"), "SEGUE_SENDER": "nobody"}

    with pytest.raises(Broken) as caught:
        read_settings(bad)

    assert "SEGUE_BUS_NAME" in str(caught.value)
    assert "SEGUE_SENDER" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sender", "hello"),
        ("sender", "a@shop.example, b@shop.example"),
        ("sender", "Shop <hello@shop.example>\r\nBcc: all@evil.example"),
        ("sender", "Shop <hello@nowhere>"),
        ("postal_address", " \n "),
        ("postal_address", "Shop\x00, 1 High Street"),
        ("postal_address", "x" * 301),
        ("public_url", "https://api.shop.example/api/"),
        ("public_url", "ftp://api.shop.example"),
        ("public_url", "https://api.shop.example/api?x=1"),
        ("scorer", "pickle"),
        ("model", "../secrets"),
        ("policy", "/etc/passwd"),
        ("profiles_table", "two words"),
        ("drop_writes_per_second", "0"),
        ("drop_writes_per_second", "all"),
        ("fresh_within_hours", "weather=3"),
        ("fresh_within_hours", "orders=soon"),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: str) -> None:
    """The message names the variable."""
    with pytest.raises(Broken, match=variable_of(name)):
        read_settings({**GOOD, variable_of(name): value})


def test_a_wrong_value_is_not_repeated() -> None:
    """It may be an address, and the message goes into the log."""
    with pytest.raises(Broken) as caught:
        read_settings({**GOOD, "SEGUE_SENDER": "ann@private.example, bob@private.example"})

    assert "private.example" not in str(caught.value)


@pytest.mark.parametrize(
    "sender",
    ["hello@shop.example", "Example Shop <hello@mail.shop.example>", "Müller & Co <m@x.de>"],
)
def test_a_mailbox_with_or_without_a_name_is_a_sender(sender: str) -> None:
    """As the From header will say it."""
    assert read_settings({**GOOD, "SEGUE_SENDER": sender}).sender == sender


def test_every_variable_of_the_template_is_a_setting() -> None:
    """What is deployed is read, and what is required is deployed."""
    deployed = set(re.findall(r'"(SEGUE_[A-Z_]+)":', RESOURCES.read_text()))
    known = {variable_of(name) for name in Settings.model_fields}

    assert deployed <= known
    assert {variable_of(name) for name in REQUIRED} <= deployed


def test_every_setting_is_described() -> None:
    """The descriptions are the operator's documentation."""
    assert all(field.description for field in Settings.model_fields.values())
