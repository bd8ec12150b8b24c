"""What every entry of `dag.yaml` is: field names in the file are camelCase, unknown ones are refused."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

import msgspec

NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")


class Misfit(ValueError):
    """A field's value that does not fit: `field` is its name in the file, the text says what was expected."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(expected)
        self.field = field


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """An entry of the registry: unknown fields are refused, so a typo never weakens a rule silently."""


def check_name(name: str) -> None:
    """Raises `Misfit` for a name that is not the registry's kind."""
    if not NAME.fullmatch(name):
        raise Misfit("name", "expected letters, digits, dots, dashes and underscores, at most 64")


def check_web_url(url: str, field: str) -> None:
    """Raises `Misfit` for what is no plain http or https URL, or carries credentials."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise Misfit(field, "expected an http or https URL")
    if "@" in parts.netloc:
        raise Misfit(field, "expected no user name or password in the URL: credentials are given by reference")
