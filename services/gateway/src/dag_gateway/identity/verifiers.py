"""Chooses the verifier of a claim's provider, as the registry has it now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dag_common.errors import NotFound, Unavailable
from dag_common.registry.apps import App
from dag_common.registry.providers import Provider
from dag_common.registry.registry import Registry
from dag_gateway.domain.jobs import JobClaim, VerifiedJob, Verifier
from dag_gateway.identity.gitlab import GitLabVerifier
from dag_gateway.identity.id_tokens import Now
from dag_gateway.identity.oidc import GitLabTokens, OidcVerifier
from dag_gateway.identity.provider_client import ProviderClient


def claim_for(app: App, job_id: str, token: str) -> JobClaim:
    """The claim of a request that named this app's repository."""
    project_id = None if app.project_id is None else str(app.project_id)
    return JobClaim(provider=app.provider, repo_url=app.repo_url, project_id=project_id, job_id=job_id, token=token)


@dataclass(frozen=True, slots=True)
class _Open:
    stamp: tuple[Provider, tuple[int, int]]
    client: ProviderClient
    verifier: Verifier


class ProviderVerifiers:
    """A `Verifier` for all providers of the registry: one client each, made when first needed.

    A provider whose entry or CA file changed gets a new client; the old one is closed with the rest, so questions
    under way end well.
    """

    def __init__(self, registry: Callable[[], Registry], now: Now) -> None:
        self._registry = registry
        self._now = now
        self._open: dict[str, _Open] = {}
        self._retired: list[ProviderClient] = []

    async def verify(self, claim: JobClaim) -> VerifiedJob:
        """See `Verifier.verify`. Raises `Unavailable` too if the provider has left the registry meanwhile."""
        return await self._verifier(claim.provider).verify(claim)

    async def close(self) -> None:
        """Close every connection."""
        for client in (*self._retired, *(entry.client for entry in self._open.values())):
            await client.close()
        self._open.clear()
        self._retired.clear()

    def _verifier(self, name: str) -> Verifier:
        try:
            provider = self._registry().provider(name)
        except NotFound as exc:
            raise Unavailable(exc.message) from exc
        known = self._open.get(name)
        stamp = (provider, _ca_stamp(provider))
        if known is None or known.stamp != stamp:
            if known is not None:
                self._retired.append(known.client)
            client = ProviderClient(name, provider)
            known = self._open[name] = _Open(stamp, client, _verifier_of(provider, client, self._now))
        return known.verifier


def _verifier_of(provider: Provider, client: ProviderClient, now: Now) -> Verifier:
    if provider.kind != "gitlab" or provider.required_claims or provider.one_time:
        return OidcVerifier(client, provider, now)
    id_tokens = OidcVerifier(client, provider, now) if provider.audience else None
    return GitLabTokens(GitLabVerifier(client, provider.url), id_tokens)


def _ca_stamp(provider: Provider) -> tuple[int, int]:
    if provider.ca is None:
        return (0, 0)
    try:
        seen = provider.ca.path.stat()
    except OSError:
        return (0, 0)  # making the client reports it, with its name
    return (seen.st_mtime_ns, seen.st_ino)
