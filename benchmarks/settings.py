"""The settings that every benchmark runs with."""

from __future__ import annotations

from chalicelib.settings import Settings, variable_of

SETTINGS = Settings(
    stage="bench",
    profiles_table="profiles",
    decisions_table="decisions",
    effects_table="effects",
    control_table="control",
    signals_table="signals",
    drops_bucket="drops",
    results_bucket="results",
    effects_queue_url="https://queue.example/effects",
    bus_name="bus",
    configuration_set="mails",
    sender="Shop <hello@shop.example>",
    postal_address="Shop, 1 High Street, Springfield",
    public_url="https://api.shop.example/api",
    mail_events_topic="arn:aws:sns:us-east-1:123456789012:mail-events",
    mail_events_queue_url="https://queue.example/mail-events",
    mail_events_dead_letters_url="https://queue.example/mail-events-parked",
    signing_keys_parameter="/segue/bench/signing-keys",
)
# As AWS gives them to a function: no file of anybody's home is looked at.
AWS = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
}
ENVIRONMENT = {
    **AWS,
    **{
        variable_of(name): str(value)
        for name, value in SETTINGS.model_dump(exclude_none=True).items()
    },
}
