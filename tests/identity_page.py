"""The registry snippets of docs/identity.md, and the tokens that each of their providers gives to a job."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from dag_common.registry.loading import SourceFile, load
from dag_common.registry.registry import Registry
from dag_sandbox.oidc_issuer import github_claims

PAGE = Path(__file__).parents[1] / "docs" / "identity.md"
_SNIPPET = re.compile(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
_IAC = b"iac: {iac: {url: 'https://git.example.com/iac.git'}}"


def snippets() -> dict[str, str]:
    """Each provider's snippet by its heading."""
    return dict(_SNIPPET.findall(PAGE.read_text(encoding="utf-8")))


def registry_of(snippet: str) -> Registry:
    """A registry of the snippet and an IaC repository."""
    return load([SourceFile("identity.md", snippet.encode(), Path()), SourceFile("iac.yaml", _IAC, Path())])


CLAIMS: Final[dict[str, dict[str, Any]]] = {
    "GitHub": github_claims("acme/web"),
    "GitHub Enterprise Server": {**github_claims("acme/web"), "environment": "production"},
    "Buildkite": {
        "sub": "organization:acme:pipeline:web:ref:refs/heads/main:commit:c0ffee:step:deploy",
        "organization_slug": "acme",
        "organization_id": "0184990a-477b-4fa8-9968-496074483cee",
        "pipeline_slug": "web",
        "pipeline_id": "0184990a-4782-42b5-afc1-16715b10b8ff",
        "build_number": 10,
        "build_branch": "main",
        "build_commit": "0" * 40,
        "step_key": "deploy",
        "job_id": "0184990a-477b-4fa8-9968-496074483c01",
        "agent_id": "0184990a-477b-4fa8-9968-496074483c02",
        "runner_environment": "self-hosted",
    },
    "Forgejo": {
        "sub": "repo:acme-65/web-74:ref:refs/heads/main",
        "repository": "acme/web",
        "repository_id": "74",
        "repository_owner": "acme",
        "repository_owner_id": "65",
        "actor": "octocat",
        "event_name": "push",
        "ref": "refs/heads/main",
        "ref_type": "branch",
        "ref_protected": "true",
        "sha": "0" * 40,
        "run_id": "4711",
        "run_number": "10",
        "run_attempt": "1",
        "workflow": "deploy.yml",
    },
    "Bitbucket": {
        "sub": "{c2b1a0f9-3d4e-4f5a-8b6c-7d8e9f0a1b2c}:{b1}",
        "repositoryUuid": "{c2b1a0f9-3d4e-4f5a-8b6c-7d8e9f0a1b2c}",
        "workspaceUuid": "{5a1c7b1e-7c1a-4bd1-9d3e-1f2a3b4c5d6e}",
        "pipelineUuid": "{0f1e2d3c-4b5a-4697-8879-6a5b4c3d2e1f}",
        "stepUuid": "{b1}",
        "branchName": "main",
    },
    "Azure Pipelines": {
        "sub": "p://acme/shop/web",
        "org_id": "9a1b2c3d-4e5f-4a6b-8c7d-0e1f2a3b4c5d",
        "prj_id": "7a6b5c4d-3e2f-4109-8abc-def012345678",
        "def_id": "3",
        "rpo_id": "1f2e3d4c-5b6a-4789-9abc-def012345678",
        "rpo_uri": "https://dev.azure.com/acme/shop/_git/web",
        "rpo_ver": "0" * 40,
        "rpo_ref": "refs/heads/main",
        "run_id": "4711",
    },
}
"""What the token of a push to main says, beside what every token holds; GitLab's is made by its double."""
