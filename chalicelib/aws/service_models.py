"""How botocore finds the descriptions of the services that we use, without looking around first.

To make a client, botocore lists every service that it knows, 440 directories, only to see that
DynamoDB is among them, and keeps every JSON object as an OrderedDict although a dict keeps its
order too. Both take half of the CPU of a first client (56 against 28 ms for DynamoDB and SSM). The
two descriptions that a checkout needs are read from ``descriptions/``, which holds botocore's own
without what nothing here calls: that is half of the rest.

For every call it then asks a set of rules for the endpoint, with the names of all tables, whose
answer within one region is always the same: an eighth of the CPU of a call (1.34 against 1.16 ms
for a read and a write). A client without rules takes the region's endpoint from botocore's own
table, in every partition; where the environment asks for FIPS, dual stack or an account's own
endpoint, the rules stay.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.loaders import JSONFileLoader, Loader

DESCRIPTIONS = Path(__file__).with_name("descriptions")
_RULES = "endpoint-rule-set-1"


class NamedServices(Loader):
    """Finds services by name: in AWS_DATA_PATH, in ours, and where botocore finds its own."""

    def __init__(
        self, services: Collection[str], *, by_region: Collection[str], data_path: str | None
    ) -> None:
        """Take the names of the services, and AWS_DATA_PATH as the session reads it.

        ``by_region`` are those whose endpoint follows from the region alone.
        """
        given = data_path.split(os.pathsep) if data_path else []
        paths = [os.path.expanduser(os.path.expandvars(path)) for path in given]
        super().__init__(extra_search_paths=[*paths, str(DESCRIPTIONS)], file_loader=PlainFiles())
        self._services = sorted(services)
        self._by_region = frozenset(by_region)

    def list_available_services(self, type_name: str) -> list[str]:
        """The services that were named, whatever ``type_name`` of description is looked for."""
        return self._services

    def load_service_model(
        self, service_name: str, type_name: str, api_version: str | None = None
    ) -> Any:
        """A description of a service.

        Raises UnknownServiceError for the rules of one whose endpoint follows from the region:
        botocore then goes by its table, as for every service that never had rules.
        """
        if type_name == _RULES and service_name in self._by_region:
            raise UnknownServiceError(service_name=service_name, known_service_names=())
        return super().load_service_model(service_name, type_name, api_version)


class PlainFiles(JSONFileLoader):
    """Reads descriptions into plain dicts."""

    def load_file(self, file_path: str) -> Any:
        """The content of ``file_path`` with ``.json`` or ``.json.gz`` added, None without both."""
        for suffix, opened in ((".json", open), (".json.gz", gzip.open)):
            try:
                with opened(file_path + suffix, "rb") as file:
                    return json.loads(file.read())
            except FileNotFoundError:
                continue
        return None
