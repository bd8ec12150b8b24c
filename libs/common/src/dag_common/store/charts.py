"""Charts by the sha256 of their bytes: a claim check, so that messages and events carry only the digest."""

from __future__ import annotations

import hashlib

from dag_common.errors import NotFound
from dag_common.store.database import Connection
from dag_common.store.statements import statement


async def put(connection: Connection, content: bytes) -> str:
    """Keep the bytes, once, and return their sha256 in hex."""
    digest = hashlib.sha256(content).hexdigest()
    await connection.execute(statement("put_chart"), digest, content)
    return digest


async def get(connection: Connection, sha256: str) -> bytes:
    """The bytes behind a digest; raises `NotFound`."""
    content = await connection.fetchval(statement("get_chart"), sha256)
    if content is None:
        raise NotFound(f"no chart with sha256 {sha256} is stored")
    return bytes(content)
