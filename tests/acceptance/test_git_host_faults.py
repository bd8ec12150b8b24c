"""The git host's bad days: a deployment is committed once, or fails with the host's own words."""

from __future__ import annotations

from acceptance.harness.scene import Build

FAULTS = ("races", "cut_before_push", "cut_after_push", "failures")


async def test_a_git_host_that_races_cuts_and_fails_gets_each_deployment_once(build: Build) -> None:
    scene = await build(unwatched=1)
    await scene.dag.start(gateway=1, pusher=1)
    for fault in FAULTS:
        setattr(scene.outside.git.faults, fault, 1)
        journey = await scene.ci.deploy("env-00")
        assert journey.status == "deployed", f"{fault}\n{journey.story()}"
        assert getattr(scene.outside.git.faults, fault) == 0, f"{fault} never struck"
    evidence = await scene.auditor.check()
    assert len(evidence.commits) == len(FAULTS)


async def test_a_push_the_git_host_refuses_fails_with_its_words_and_leaves_no_commit(build: Build) -> None:
    scene = await build(unwatched=1)
    await scene.dag.start(gateway=1, pusher=1)
    scene.outside.git.faults.reject = words = "Changes to env-00 are frozen until Monday"
    journey = await scene.ci.deploy("env-00")
    assert journey.status == "failed"
    assert words in journey.statuses[-1].data["message"]
    assert list((await scene.auditor.check()).commits) == []
