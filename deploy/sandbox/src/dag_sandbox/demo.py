"""The demo: one deployment from CI job to running chart, one that fails with a reason, each through the real API."""

from __future__ import annotations

import io
import json
import shlex
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from dag_client.call import Call
from dag_client.following import follow
from dag_client.gateway import Gateway
from dag_client.overrides import Overrides
from dag_client.packing import pack
from dag_client.session import connected
from dag_common.errors import Refused
from dag_common.runtime.clock import monotonic
from dag_sandbox.addresses import Addresses, mint_job
from dag_sandbox.chart import example_chart
from dag_sandbox.looking import show_last_commit
from dag_sandbox.stage import Stage

TIMEOUT_SECONDS = 120.0
GOOD = "1.0.0"
BAD = "1.0.1"
BROKEN = (
    "image.tag=no-such-tag",
    "sandbox.outcome=fail",
    "sandbox.symptom=image-pull",
    "sandbox.reason=the image nginx:no-such-tag cannot be pulled: not found",
)
"""Overrides of a deployment that fails. The sandbox runs no containers: values below `sandbox` say how it ends."""


class Demo:
    """Tells the story on a stage, against a running DAG and a running sandbox."""

    def __init__(self, stage: Stage, server: str, addresses: Addresses, *, project_url: str = "") -> None:
        """`project_url` is the project's URL as the registry knows it, if that is not how it is reached from here."""
        self._stage = stage
        self._server = server
        self._addresses = addresses
        self._project_url = project_url or addresses.repo_url

    async def run(self) -> None:
        """Every scene in turn. Raises `Refused` when one does not end as it should."""
        async with connected(self._server, self._stage.say) as gateway:
            with self._stage.step(f"A CI job deploys the chart hello, version {GOOD}, to staging"):
                await self._deploy(gateway, GOOD, (), expected="deployed")
            with self._stage.step("What DAG committed to the IaC repository"):
                await self._show_commit()
            with self._stage.step("What was committed last for staging, read back through the API"):
                await self._read_back(gateway)
            with self._stage.step("A deployment that fails: its image does not exist"):
                self._stage.say(
                    "(The sandbox runs no containers; the values below sandbox tell it how a rollout ends.)"
                )
                await self._deploy(gateway, BAD, BROKEN, expected="failed")
                self._stage.say("The CI job ends with exit code 1, and that message is the last line of its log.")

    async def _deploy(self, gateway: Gateway, version: str, settings: Sequence[str], *, expected: str) -> None:
        chart = example_chart()
        self._stage.command(f"dag deploy deploy/examples/hello --deploy-version {version}{flags(settings)}")
        began = monotonic()
        deployment_id = await gateway.deploy(await self._call(), version, pack(chart, Overrides(strings=settings)))
        self._stage.say(f"accepted as {deployment_id}", style="dim")
        last = await self._watch(gateway, deployment_id, began)
        if last.get("status") != expected:
            message = f"this deployment should have ended as {expected}: {last.get('message', 'no reason given')}"
            raise Refused("demo", message)

    async def _watch(self, gateway: Gateway, deployment_id: str, began: float) -> Mapping[str, Any]:
        seen: Mapping[str, Any] = {}
        async with aclosing(follow(gateway, deployment_id, self._stage.say)) as updates:
            async for update in updates:
                if update.type == "status" and update.data != seen:
                    seen = update.data
                    self._stage.status(monotonic() - began, str(seen.get("status")), str(seen.get("message")))
        return seen

    async def _show_commit(self) -> None:
        self._stage.command("git show --stat")
        with tempfile.TemporaryDirectory(prefix="dag-demo-") as directory:
            self._stage.output(await show_last_commit(self._addresses.iac_url_to_clone, Path(directory) / "iac"))

    async def _read_back(self, gateway: Gateway) -> None:
        call = await self._call()
        self._stage.command("dag get-values")
        self._stage.output(json.dumps(await gateway.values(call), indent=2))
        self._stage.command("dag get-chart hello.tgz && tar -tzf hello.tgz")
        with tarfile.open(fileobj=io.BytesIO(await gateway.chart(call)), mode="r:gz") as archive:
            self._stage.output("\n".join(archive.getnames()))

    async def _call(self) -> Call:
        """As whom to ask: a CI job of the project, fresh for each command as in a pipeline."""
        job = await mint_job(self._addresses.gitlab)
        return Call(self._server, self._project_url, job.job_id, job.token, "staging", TIMEOUT_SECONDS)


def flags(settings: Sequence[str]) -> str:
    """Overrides as one would type them, each with a space before it."""
    return "".join(f" --set {shlex.quote(setting)}" for setting in settings)
