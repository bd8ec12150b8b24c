from __future__ import annotations

import pytest
from identity_page import CLAIMS, registry_of, snippets

ISSUERS = {
    "GitLab": "https://gitlab.example.com",
    "GitHub": "https://token.actions.githubusercontent.com",
    "GitHub Enterprise Server": "https://github.example.com/_services/token",
    "Buildkite": "https://agent.buildkite.com",
    "Forgejo": "https://forgejo.example.com/api/actions",
    "Bitbucket": "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc",
    "Azure Pipelines": "https://vstoken.dev.azure.com/9a1b2c3d-4e5f-4a6b-8c7d-0e1f2a3b4c5d",
}


def test_every_provider_has_a_snippet_and_every_snippet_a_token() -> None:
    assert snippets().keys() == ISSUERS.keys() == {"GitLab", *CLAIMS}


@pytest.mark.parametrize("heading", ISSUERS)
def test_a_documented_snippet_is_a_registry_of_that_issuer(heading: str) -> None:
    registry = registry_of(snippets()[heading])
    assert registry.problems == ()
    (provider,) = registry.providers.values()
    assert provider.token_issuer == ISSUERS[heading]
    assert [app.project_id is not None for app in registry.apps] == [True]
