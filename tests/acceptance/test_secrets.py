"""Planted secrets are looked for everywhere they must not be, after a run in which everything also went wrong once."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

import httpx
from acceptance.harness import haystacks
from acceptance.harness.landscape import AUDIENCE, PROJECT, write_cluster_token
from acceptance.harness.scene import Build, Scene


async def test_secrets_stay_out_of_logs_events_messages_git_answers_and_disk(
    build: Build, amqp_url: str, amqp_namespace: str
) -> None:
    operator = f"planted-operator-{secrets.token_hex(8)}"
    variables = {"DAG_LOG_LEVEL": "debug", "DAG_OPERATOR_TOKENS": "env:OPERATOR_TOKEN", "OPERATOR_TOKEN": operator}
    scene = await build(variables=variables)
    async with haystacks.overhearing(amqp_url, amqp_namespace) as overheard:
        await scene.dag.start(gateway=1, pusher=1, monitor=1)
        planted = await deploy_with_every_secret_wrong_at_first(scene)
        by_id_token = await deploy_by_id_token(scene)
        misplaced, refusals = await send_tokens_in_the_wrong_fields(scene)
        wrong, answers = await cancel_too_late_with_every_token_wrong_at_first(scene, operator)
        await scene.auditor.check()
        found = {
            "answers to cancels": answers,
            "answers to misplaced tokens": refusals,
            "messages": b"\n".join(overheard.messages),
            **await haystacks.of_database(scene.database_url),
            **await haystacks.of_processes(scene.dag),
            **haystacks.of_disk(scene.dag),
            **haystacks.of_git(scene.outside),
            **haystacks.of_answers(scene.ci.orders),
        }
    assert_the_deployment_is_found_everywhere(scene, found)
    assert leaks([*planted, *by_id_token, *misplaced, *wrong, operator.encode()], found) == []


async def deploy_with_every_secret_wrong_at_first(scene: Scene) -> list[bytes]:
    """Wrong tokens and passwords are secrets too; returns all that were used, in all spellings."""
    outside, wrong = scene.outside, [f"planted-wrong-{secrets.token_hex(8)}" for _ in range(3)]
    (outside.registry / "git.password").write_text(wrong[0])
    write_cluster_token(outside.registry, wrong[1])
    unproven = scene.ci.order("env-00")
    unproven.token = wrong[2]
    assert (await scene.ci.send(unproven)).status == 401
    order = scene.ci.order("env-00")
    outside.gitlab.faults.down()
    assert (await scene.ci.send(order)).status == 503
    outside.gitlab.faults.clear()
    await scene.ci.submit(order)
    reader = scene.ci.follow(order)
    await scene.dag.one("pusher").said("refused DAG's credentials")
    (outside.registry / "git.password").write_text(outside.keys.git_password)
    await reader.until("monitoring")
    await scene.dag.one("monitor").said("renew the token")
    write_cluster_token(outside.registry, outside.keys.cluster_token)
    assert (await reader.end()).status == "deployed", reader.journey.story()
    used = [*wrong, order.token, outside.keys.git_password, outside.keys.cluster_token]
    return [text for secret in used for text in haystacks.spellings(secret, outside.keys.git_user)]


async def deploy_by_id_token(scene: Scene) -> list[bytes]:
    """First with one for somebody else, which is refused; returns both, and the parts that would be worth stealing."""
    order, gitlab = scene.ci.order("env-00"), scene.outside.gitlab
    mine, foreign = (gitlab.id_token(int(order.job_id), aud) for aud in (AUDIENCE, "https://elsewhere.example.com"))
    order.token = foreign
    assert (await scene.ci.send(order)).status == 401
    order.token = mine
    await scene.ci.submit(order)
    reader = await scene.ci.follow(order).end()
    assert reader.status == "deployed", reader.story()
    return [text.encode() for token in (mine, foreign) for text in (token, *token.split(".")[1:])]


async def send_tokens_in_the_wrong_fields(scene: Scene) -> tuple[list[bytes], bytes]:
    """As CI_REPOSITORY_URL without its scheme holds one, and as the job's id; returns the tokens and the answers."""
    gitlab = scene.outside.gitlab
    ci = gitlab.create_job(project=PROJECT)
    planted = [f"glcbt-planted{secrets.token_hex(8)}", f"ghs_planted{secrets.token_hex(8)}"]
    job = {"jobId": str(ci.id), "jobToken": gitlab.id_token(ci.id, AUDIENCE), "version": "1"}
    at = gitlab.project_url(PROJECT).partition("://")[2]
    asked = (
        {**job, "repoUrl": f"gitlab-ci-token:{planted[0]}@{at}.git"},
        {**job, "repoUrl": gitlab.project_url(PROJECT), "jobId": planted[1]},
    )
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        url, files = f"{scene.dag.gateways[0]}/api/deploy", {"chart": b"none"}
        answers = [await http.post(url, data=data, files=files) for data in asked]
    assert [answer.status_code for answer in answers] == [404, 401]
    return [token.encode() for token in (*planted, job["jobToken"])], b"\n".join(each.content for each in answers)


async def cancel_too_late_with_every_token_wrong_at_first(scene: Scene, operator: str) -> tuple[list[bytes], bytes]:
    """As the job and as an operator; returns the wrong tokens and all answers."""
    order, wrong = scene.ci.orders[-1], [f"planted-wrong-{secrets.token_hex(8)}" for _ in range(2)]
    job = {"repoUrl": scene.outside.gitlab.project_url(PROJECT), "jobId": order.job_id}
    url = f"{scene.dag.gateways[0]}/api/deployments/{order.deployment_id}/cancel"
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        answers = [await http.post(url, json={**job, "jobToken": token}) for token in (wrong[0], order.token)]
        bearers = [{"Authorization": f"Bearer {token}"} for token in (wrong[1], operator)]
        answers += [await http.post(url, headers=bearer) for bearer in bearers]
    assert [answer.status_code for answer in answers] == [401, 409, 401, 409]
    return [token.encode() for token in wrong], b"\n".join(answer.content for answer in answers)


def assert_the_deployment_is_found_everywhere(scene: Scene, found: Mapping[str, bytes]) -> None:
    """The search finds what is there: an empty haystack proves nothing."""
    deployment = scene.ci.orders[-1].deployment_id.encode()
    places = (
        "answers to cancels",
        "messages",
        "table events",
        "gateway-1.log",
        "pusher-1.log",
        "monitor-1.log",
        "objects of iac-0",
    )
    assert [place for place in places if deployment not in found[place]] == []
    assert any(place.endswith("config") for place in found)


def leaks(planted: Iterable[bytes], found: Mapping[str, bytes]) -> list[str]:
    """Where something planted turned up."""
    return [f"{text.decode()} in {place}" for text in planted for place, hay in found.items() if text in hay]
