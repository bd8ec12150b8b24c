"""Bearer tokens in requests (RFC 6750, section 2.1)."""

from __future__ import annotations

from starlette.requests import Request

from dag_gateway.identity.token_holders import Bearer


def bearer_of(request: Request) -> Bearer | None:
    """The token of the Authorization header; None if it carries none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return Bearer(token.strip()) if scheme.lower() == "bearer" and token.strip() else None
