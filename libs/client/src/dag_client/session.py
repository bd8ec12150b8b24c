"""One run of a command against a gateway: connect, ask, follow, and tell the end as a result or a `ClientError`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from dag_client.answers import Refusal
from dag_client.call import DEFAULT_TIMEOUT_SECONDS, Call, Proof
from dag_client.errors import ClientError, Failed, Superseded, TimedOut
from dag_client.following import follow
from dag_client.gateway import Gateway, Update
from dag_client.stopping import stoppable
from dag_client.views import View, printable

GRACE_SECONDS = 30.0
"""How much longer than --timeout is waited, so that the gateway's own verdict comes first."""

_TIMEOUTS = httpx.Timeout(60.0, connect=10.0)


@asynccontextmanager
async def connected(
    server: str,
    notice: Callable[[str], None],
    timeout: float = DEFAULT_TIMEOUT_SECONDS,  # noqa: ASYNC109 - the user's
) -> AsyncIterator[Gateway]:
    """A gateway to ask, for at most `timeout` seconds if it asks to be asked again; connections close in the end."""
    async with httpx.AsyncClient(timeout=_TIMEOUTS, headers={"User-Agent": "dag-client"}) as http:
        yield Gateway(http, server, notice, timeout=timeout)


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait for the end of a deployment, which surely exists if this run had it accepted. `timeout` is in seconds."""

    deployment_id: str
    timeout: float
    title: str
    accepted: bool = False

    @property
    def seconds(self) -> float:
        """How long to wait in all."""
        return self.timeout + GRACE_SECONDS

    @property
    def advice(self) -> str:
        """What to do when the wait is over before the deployment is."""
        return f"The deployment goes on: dag watch {self.deployment_id}"


def to_stderr(text: str) -> None:
    """A notice about the connection, out of the way of the output."""
    print(printable(text), file=sys.stderr, flush=True)  # noqa: T201 - output


async def get_chart(call: Call) -> bytes:
    """The deployed chart as a .tgz."""
    async with connected(call.server, to_stderr, call.timeout) as gateway:
        return await gateway.chart(call)


async def get_values(call: Call) -> Any:
    """The deployed values."""
    async with connected(call.server, to_stderr, call.timeout) as gateway:
        return await gateway.values(call)


async def get_deployment(server: str, deployment_id: str) -> dict[str, Any]:
    """Everything the gateway tells about one deployment."""
    async with connected(server, to_stderr) as gateway:
        return await gateway.deployment(deployment_id)


async def cancel(server: str, deployment_id: str, proof: Proof) -> dict[str, Any]:
    """End a deployment; what the gateway says of it. Raises `TimedOut` while a push that has begun keeps it open."""
    async with connected(server, to_stderr) as gateway:
        ended, answer = await gateway.cancel(deployment_id, proof)
    if not ended:
        message = printable(str(answer.get("message", "The outcome is open")))
        raise TimedOut(f"{message}. To see which: dag watch {deployment_id}")
    return answer


async def submit(call: Call, version: str, chart: bytes) -> str:
    """Hand a chart over; the deployment's id."""
    async with connected(call.server, to_stderr, call.timeout) as gateway:
        return await _accepted(gateway, call, version, chart)


async def plan(call: Call, version: str, chart: bytes) -> dict[str, Any]:
    """What a deployment would change; nothing is deployed."""
    async with connected(call.server, to_stderr, call.timeout) as gateway:
        return await gateway.plan(call, version, chart)


async def deploy(call: Call, version: str, chart: bytes, view: View) -> dict[str, Any]:
    """Hand a chart over and follow it to its end: how it was deployed; raises `ClientError` if it was not."""
    async with connected(call.server, view.note, call.timeout) as gateway:
        deployment_id = await _accepted(gateway, call, version, chart)
        wait = Wait(deployment_id, call.timeout, f"Deploying {version}", accepted=True)
        return await _watched(gateway, wait, view)


async def watch(server: str, deployment_id: str, timeout: float, view: View) -> None:  # noqa: ASYNC109 - the user's
    """Follow a deployment to its end, as `deploy` does."""
    async with connected(server, view.note) as gateway:
        await _watched(gateway, Wait(deployment_id, timeout, "Watching"), view)


async def _accepted(gateway: Gateway, call: Call, version: str, chart: bytes) -> str:
    with stoppable("Stopped before the gateway answered; the deployment may have been accepted nevertheless."):
        return await gateway.deploy(call, version, chart)


async def _watched(gateway: Gateway, wait: Wait, view: View) -> dict[str, Any]:
    view.open(wait.deployment_id, wait.title)
    result: dict[str, Any] = {"deploymentId": wait.deployment_id}
    try:
        with stoppable(f"Stopped waiting. {wait.advice}"):
            result |= await _end(gateway, wait, view)
        _judge(result)
        result["exitCode"] = 0
    except ClientError as error:
        result |= {"exitCode": error.exit_code, "message": str(error)}
        raise
    finally:
        view.close({"status": "unknown", "exitCode": Failed.exit_code} | result)
    return result


async def _end(gateway: Gateway, wait: Wait, view: View) -> dict[str, Any]:
    try:
        async with asyncio.timeout(wait.seconds):
            last = await _last(gateway, wait.deployment_id, view)
            reason = await _reason(gateway, wait.deployment_id) if last.data["status"] == "failed" else ""
    except TimeoutError as error:
        raise TimedOut(f"No end within {wait.seconds:.0f} s. {wait.advice}") from error
    except Refusal as error:
        if not wait.accepted:
            raise
        raise TimedOut(f"{error} {wait.advice}") from error
    return {"status": last.data["status"], "message": str(last.data.get("message", "")), "reason": reason}


async def _last(gateway: Gateway, deployment_id: str, view: View) -> Update:
    update = Update("", "", {})
    async with aclosing(follow(gateway, deployment_id, view.note)) as updates:
        async for update in updates:
            view.show(update)
    return update


async def _reason(gateway: Gateway, deployment_id: str) -> str:
    """The failure's code; empty from a gateway that does not tell one."""
    try:
        failure = (await gateway.deployment(deployment_id)).get("failure") or {}
    except ClientError:
        return ""
    return str(failure.get("reason", "")) if isinstance(failure, dict) else ""


def _judge(result: dict[str, Any]) -> None:
    if result["status"] == "deployed":
        return
    message = printable(str(result["message"]) or "The gateway gave no reason.")
    if result["reason"] == "superseded":
        raise Superseded(f"Superseded: {message}")
    raise Failed(f"Deployment failed: {message}")
