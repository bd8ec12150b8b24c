"""Tokens as they come from flags and variables, fit to be sent: an HTTP library that refuses one would quote it."""

from __future__ import annotations

from dag_client.errors import Misused


def sendable(token: str, source: str) -> str:
    """The token without the blanks and line ends around it. Raises `Misused`, which names `source` only."""
    stripped = token.strip()
    if not (stripped.isascii() and stripped.isprintable()):
        raise Misused(f"{source} holds a character that no token has, a line break perhaps; the token is not shown.")
    return stripped
