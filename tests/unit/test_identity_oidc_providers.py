from __future__ import annotations

from pathlib import Path

import pytest

from dag_common.registry.loading import SourceFile, load
from dag_common.registry.registry import Registry
from dag_common.runtime import clock
from dag_gateway.identity.oidc import GitLabTokens, OidcVerifier
from dag_gateway.identity.verifiers import ProviderVerifiers


def _read(entry: str) -> Registry:
    return load([SourceFile("dag.yaml", f"providers:\n  ci: {entry}\n".encode(), Path())])


@pytest.mark.parametrize(
    ("entry", "issuer", "keys"),
    [
        (
            "{kind: gitlab, url: 'https://git.example.com:8443/gitlab/'}",
            "https://git.example.com:8443/gitlab",
            "https://git.example.com:8443/gitlab/oauth/discovery/keys",
        ),
        (
            "{kind: gitlab, url: 'http://gitlab.internal', issuer: 'https://gitlab.example.com', audience: x}",
            "https://gitlab.example.com",
            "http://gitlab.internal/oauth/discovery/keys",
        ),
        (
            "{kind: github, url: 'https://github.com', audience: x}",
            "https://token.actions.githubusercontent.com",
            "https://token.actions.githubusercontent.com/.well-known/jwks",
        ),
        (
            "{kind: github, url: 'https://github.com', audience: x, issuer: 'https://t.example.com/acme'}",
            "https://t.example.com/acme",
            "https://t.example.com/acme/.well-known/jwks",
        ),
        (
            "{kind: github, url: 'https://acme.ghe.com', audience: x}",
            "https://token.actions.acme.ghe.com",
            "https://token.actions.acme.ghe.com/.well-known/jwks",
        ),
        (
            "{kind: github, url: 'https://github.example.com', audience: x}",
            "https://github.example.com/_services/token",
            "https://github.example.com/_services/token/.well-known/jwks",
        ),
        ("{kind: oidc, url: 'https://agent.example.com/', audience: x}", "https://agent.example.com/", ""),
        (
            "{kind: oidc, url: 'https://ci.example.com', audience: x, jwksUrl: 'https://keys.example.com/k'}",
            "https://ci.example.com",
            "https://keys.example.com/k",
        ),
    ],
)
def test_issuer_and_keys_follow_from_kind_and_url_unless_said(entry: str, issuer: str, keys: str) -> None:
    registry = _read(entry)
    assert registry.problems == ()
    assert (registry.provider("ci").token_issuer, registry.provider("ci").keys_url) == (issuer, keys)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{kind: github, url: 'https://github.com'}", "providers.ci.audience: kind github needs the audience"),
        ("{kind: oidc, url: 'https://ci.example.com'}", "kind oidc needs the audience"),
        ("{kind: gitlab, url: 'https://g.example.com', requiredClaims: {environment: p}}", "expected an audience too"),
        ("{kind: gitlab, url: 'https://g.example.com', oneTime: true}", "expected an audience too"),
        ("{kind: gitlab, url: 'https://g.example.com', claims: {repo: x}}", "belongs to kind oidc"),
        ("{kind: oidc, url: 'https://g.example.com', audience: x, algorithm: HS256}", "one of ES256, RS256"),
        ("{kind: oidc, url: 'https://g.example.com', audience: x, algorithm: none}", "one of ES256, RS256"),
        ("{kind: oidc, url: 'https://g.example.com', audience: x, issuer: ftp://x}", "an http or https URL"),
        ("{kind: oidc, url: 'https://g.example.com', audience: x, requiredClaims: {id: 7}}", "put it in quotes"),
        ("{kind: oidc, url: 'https://g.example.com', audience: x, claims: {rpo: x}}", "no such field"),
    ],
)
def test_a_rule_that_cannot_hold_is_told_where_it_is_written(entry: str, words: str) -> None:
    (problem,) = _read(entry).problems
    assert words in str(problem)
    assert "ci" not in _read(entry).providers


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ("{kind: gitlab, url: 'https://g.example.com'}", GitLabTokens),
        ("{kind: gitlab, url: 'https://g.example.com', audience: x}", GitLabTokens),
        ("{kind: gitlab, url: 'https://g.example.com', audience: x, requiredClaims: {environment: p}}", OidcVerifier),
        ("{kind: gitlab, url: 'https://g.example.com', audience: x, oneTime: true}", OidcVerifier),
        ("{kind: github, url: 'https://github.com', audience: x}", OidcVerifier),
        ("{kind: oidc, url: 'https://ci.example.com', audience: x}", OidcVerifier),
    ],
)
async def test_every_kind_has_its_verifier_and_rules_about_tokens_leave_no_way_around(entry: str, kind: type) -> None:
    verifiers = ProviderVerifiers(lambda: _read(entry), clock.now)
    assert type(verifiers._verifier("ci")) is kind
    await verifiers.close()
