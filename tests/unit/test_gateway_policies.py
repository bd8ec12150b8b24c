from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from dag_common.errors import Unproven
from dag_gateway.domain.jobs import RefType, VerifiedJob
from dag_gateway.domain.policies import admit

JOB = VerifiedJob(
    provider="gitlab",
    kind="gitlab",
    project_id="4711",
    project_path="acme/shop",
    ref="main",
    ref_type=RefType.BRANCH,
    commit="c0ffee",
    job_id="17",
    job_url="https://gitlab.example.com/acme/shop/-/jobs/17",
    actor="alice",
    protected=None,
    source="push",
)


@dataclass
class Rules:
    name: str = "production"
    require_protected: bool = False
    sources: tuple[str, ...] | None = None


@pytest.mark.parametrize("source", ["push", "web", "schedule", "api", "trigger", "pipeline", "parent_pipeline", ""])
def test_a_usual_pipeline_is_admitted_where_the_environment_says_nothing(source: str) -> None:
    admit(replace(JOB, source=source), Rules())


@pytest.mark.parametrize("source", ["merge_request_event", "external_pull_request_event", "chat"])
def test_an_unusual_pipeline_is_refused_by_its_source(source: str) -> None:
    with pytest.raises(Unproven, match=f"of job 17 began by {source}; environment production takes api, parent_pip"):
        admit(replace(JOB, source=source), Rules())


@pytest.mark.parametrize("source", ["pull_request_target", "workflow_run", "pull_request", "release"])
def test_github_events_that_strangers_can_cause_or_that_are_on_no_branch_are_refused(source: str) -> None:
    with pytest.raises(Unproven, match=source):
        admit(replace(JOB, kind="github", source=source), Rules())


def test_an_environments_own_sources_replace_the_usual_ones() -> None:
    rules = Rules(sources=("chat",))
    admit(replace(JOB, source="chat"), rules)
    for source in ("push", ""):
        with pytest.raises(Unproven, match="takes chat"):
            admit(replace(JOB, source=source), rules)


def test_a_provider_without_usual_sources_is_judged_only_by_the_environments() -> None:
    other = replace(JOB, kind="oidc", source="whatever")
    admit(other, Rules())
    with pytest.raises(Unproven, match="takes push"):
        admit(other, Rules(sources=("push",)))


def test_a_protected_branch_must_be_proven_where_it_is_asked_for() -> None:
    rules = Rules(require_protected=True)
    admit(replace(JOB, protected=True), rules)
    with pytest.raises(Unproven, match="main is not protected"):
        admit(replace(JOB, protected=False), rules)
    with pytest.raises(Unproven, match="send an ID token"):
        admit(JOB, rules)
    with pytest.raises(Unproven, match=r"needs a claim that tells it \(claims.protected\)"):
        admit(replace(JOB, kind="oidc"), rules)
