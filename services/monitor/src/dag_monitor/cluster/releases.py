"""Helm's release secrets in a watch: which are looked at, and which of them are read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from dag_monitor.cluster.reader import Reader
from dag_monitor.cluster.resources import SECRETS, Key, Object, Query
from dag_monitor.domain import fields
from dag_monitor.domain.concern import Releases
from dag_monitor.domain.helm_observation import at_work, number_of

_PREFIX: Final = "sh.helm.release.v1."


def query(concern: Releases) -> Query:
    """One watch for all releases of a namespace; contents of secrets are not part of it."""
    return Query(SECRETS, concern.namespace, label_selector="owner=helm", metadata_only=True)


def belonging(concern: Releases) -> Callable[[Key], bool]:
    """Whether a secret with this key is one of the release's (helm/helm pkg/storage/storage.go, makeKey)."""
    named = re.compile(rf"{re.escape(_PREFIX + concern.name)}\.v[0-9]{{1,10}}")
    return lambda key: key[0] == concern.namespace and named.fullmatch(key[1]) is not None


def known(
    concern: Releases, secrets: Mapping[Key, Object], since: datetime, reader: Reader, changed: asyncio.Event
) -> dict[Key, Object]:
    """The newest version, the newest that Helm is done with, and all that were begun since.

    Those Helm is done with are read: they have `release`, or else `trouble`.
    """
    mine = belonging(concern)
    newest_first = sorted(((key, secrets[key]) for key in secrets if mine(key)), key=_number, reverse=True)
    done = next((key for key, secret in newest_first if not _is_pending(secret)), None)
    return {
        key: secret if _is_pending(secret) else _read(secret, reader, changed)
        for place, (key, secret) in enumerate(newest_first)
        if place == 0 or key == done or _begun_since(secret, since)
    }


def _read(secret: Object, reader: Reader, changed: asyncio.Event) -> Object:
    reading = reader.release(secret, changed)
    return secret | ({"trouble": reading.trouble} if reading.value is None else {"release": reading.value})


def _number(item: tuple[Key, Object]) -> int:
    return number_of(item[1])


def _is_pending(secret: Object) -> bool:
    return at_work(fields.text(secret, "metadata", "labels", "status"))


def _begun_since(secret: Object, since: datetime) -> bool:
    begun = fields.instant(secret, "metadata", "creationTimestamp")
    return begun is None or begun >= since
