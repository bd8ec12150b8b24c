"""Whether a CI provider answers as one that proves jobs: it refuses a token of nobody's, it publishes its keys."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator

from dag_common.errors import Unavailable, Unproven
from dag_common.registry.providers import Provider
from dag_gateway.domain.jobs import JobClaim
from dag_gateway.identity.gitlab import GitLabVerifier
from dag_gateway.identity.provider_client import ProviderClient
from dag_gateway.identity.signing_keys import SigningKeys
from dag_standalone.check_findings import Finding, Question

_NOBODY = "dag-check"
_MEND = "correct its url, ca or proxy in the registry, or bring the provider back"
_MEND_KEYS = "correct its url, issuer, jwksUrl or ca in the registry, or bring the provider back"


async def check_provider(name: str, provider: Provider, seconds: float) -> list[Finding]:
    """The rows of one provider; what it refers to can be read."""
    subject = f"provider {name}"
    try:
        client = ProviderClient(name, provider)
    except Unavailable as exc:
        return [Finding(subject, "answer", exc.message, _MEND)]
    try:
        return [await question.ask(answer) for question, answer in _asked(subject, provider, client, seconds)]
    finally:
        await client.close()


def _asked(
    subject: str, provider: Provider, client: ProviderClient, seconds: float
) -> Iterator[tuple[Question, Awaitable[str]]]:
    if provider.kind == "gitlab" and not provider.required_claims:
        yield Question(subject, "job tokens", _MEND, seconds), _job_tokens(client, provider)
    if provider.audience:
        yield Question(subject, "signing keys", _MEND_KEYS, seconds), _keys(client, provider)


async def _job_tokens(client: ProviderClient, provider: Provider) -> str:
    """A gateway takes any 401 for a refusal; here it has to come from GitLab's API, which says everything in JSON."""
    claim = JobClaim(provider=client.name, repo_url="", project_id=None, job_id="1", token=_NOBODY)
    try:
        await GitLabVerifier(client, provider.url).verify(claim)
    except Unproven:
        answer = await client.get(f"{provider.url.rstrip('/')}/api/v4/job", {})
        if answer.is_json:
            return "GitLab's job API answers, and refuses a made-up token"
    raise Unavailable("what answers there is no GitLab")


async def _keys(client: ProviderClient, provider: Provider) -> str:
    keys = SigningKeys(client, provider.token_issuer, provider.keys_url, provider.algorithm)
    try:
        await keys.key(_NOBODY)
    except Unproven:
        return f"its keys for {provider.algorithm} are published"
    return f"its keys for {provider.algorithm} are published"
