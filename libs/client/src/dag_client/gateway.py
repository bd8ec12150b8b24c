"""The gateway's HTTP API as a client sees it; what is safe to repeat is repeated, what was refused is told."""

from __future__ import annotations

import itertools
import json
from asyncio import sleep
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from httpx_sse import EventSource, SSEError

from dag_client.answers import LATER, Refusal, Unreachable, wait_after, wait_said, why
from dag_client.call import Call, Proof
from dag_client.clock import monotonic
from dag_client.errors import ClientError, Failed, NotAccepted

PATIENCE_SECONDS = 30.0
"""How long a request that got no proper answer is repeated: a gateway that restarts is back within this.

Where an answer said when to ask again (Retry-After), the command's own timeout bounds it, if that is longer.
"""


class Interrupted(ClientError):
    """A stream broke off before its end: open it again."""


@dataclass(frozen=True, slots=True)
class Update:
    """One event of a deployment's stream."""

    type: str
    id: str
    data: Mapping[str, Any]
    retry: float | None = None


class Gateway:
    """One gateway's address and a connection pool. `notice` is told, in a sentence, of each repeated request.

    `timeout` is how many seconds the caller is ready to wait for a gateway that says when to ask again.
    """

    def __init__(self, http: httpx.AsyncClient, server: str, notice: Callable[[str], None], *, timeout: float) -> None:
        self._timeout = timeout
        self._http = http
        self._server = server
        self._notice = notice
        self._secrets: set[str] = set()

    async def deploy(self, call: Call, version: str, chart: bytes) -> str:
        """Submit a chart; the deployment's id. Safe to repeat: the same job, version and chart are one deployment."""
        answer = await self._submit("Deploy", call, version, chart)
        try:
            return str(answer.json()["deploymentId"])
        except (ValueError, KeyError, TypeError) as error:
            raise _no_gateway(self._server) from error

    async def plan(self, call: Call, version: str, chart: bytes) -> dict[str, Any]:
        """What a deployment would change, as the gateway tells it; nothing is deployed. Safe to repeat.

        Raises `Refusal`, also from a gateway that does not know dry runs: it says so.
        """
        answer = await self._submit("Dry run", call, version, chart, dryRun="true")
        try:
            told = dict(answer.json())
        except (ValueError, TypeError) as error:
            raise _no_gateway(self._server) from error
        if told.get("dryRun") is not True:
            raise Failed(f"{self._server} does not know dry runs and took this for a deployment: {told}")
        return told

    async def _submit(self, what: str, call: Call, version: str, chart: bytes, **more: str) -> httpx.Response:
        files = {"chart": ("chart.tgz", chart, "application/gzip")}
        return await self._post(what, "/api/deploy", call, data={"version": version, **more}, files=files)

    async def chart(self, call: Call) -> bytes:
        """The currently deployed chart as a .tgz."""
        answer = await self._post("Get chart", "/api/get/chart", call, json={})
        return answer.content

    async def values(self, call: Call) -> Any:
        """The currently deployed values.yaml as JSON."""
        answer = await self._post("Get values", "/api/get/values", call, json={})
        try:
            return answer.json()
        except ValueError as error:
            raise _no_gateway(self._server) from error

    async def deployment(self, deployment_id: str) -> dict[str, Any]:
        """Everything the gateway tells about one deployment."""
        answer = await self._ask("Get deployment", "GET", _path(deployment_id), Proof.of_nobody())
        try:
            return dict(answer.json())
        except (ValueError, TypeError) as error:
            raise _no_gateway(self._server) from error

    async def cancel(self, deployment_id: str, proof: Proof) -> tuple[bool, dict[str, Any]]:
        """Ask for a deployment's end: whether it ended, and what the gateway says. Safe to repeat.

        Raises `Failed` when it is too late, saying where the deployment stands.
        """
        path = f"{_path(deployment_id)}/cancel"
        try:
            body: dict[str, Any] = {} if proof.fields is None else {"json": {}}
            answer = await self._ask("Cancel", "POST", path, proof, **body)
            return answer.status_code == httpx.codes.OK, dict(answer.json())
        except Refusal as error:
            if error.status == httpx.codes.CONFLICT:
                raise Failed(str(error)) from error
            raise
        except (ValueError, TypeError) as error:
            raise _no_gateway(self._server) from error

    async def events(self, deployment_id: str, after: str) -> AsyncGenerator[Update, None]:
        """The events of a deployment after the one with id `after` (empty: the current status first), one connection.

        Raises `Interrupted` when the connection or the gateway is gone or at fault, `Refusal` when there is no such
        deployment.
        """
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if after:
            headers["Last-Event-ID"] = after
        address = f"{self._server}{_path(deployment_id)}/events"
        try:
            async with self._http.stream("GET", address, headers=headers) as answer:
                await self._check_stream(answer)
                async for event in EventSource(answer).aiter_sse():
                    yield _update(event.event, event.id, event.data, event.retry)
        except (httpx.TransportError, SSEError) as error:
            raise Interrupted(f"The connection to {self._server} broke ({why(error)}).") from error

    async def _check_stream(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        await answer.aread()
        if answer.status_code in LATER or answer.is_server_error:
            raise Interrupted(f"{self._server} answered {answer.status_code}.")
        raise self._refusal("Watch", answer)

    async def _post(self, what: str, path: str, call: Call, **body: Any) -> httpx.Response:
        return await self._ask(what, "POST", path, Proof.of_job(call), **body)

    async def _ask(self, what: str, method: str, path: str, proof: Proof, **body: Any) -> httpx.Response:
        started, patience = monotonic(), PATIENCE_SECONDS
        for attempt in itertools.count(1):
            try:
                return await self._once(what, method, path, await proof.fresh(self._http), **body)
            except (Refusal, Unreachable) as problem:
                wait = wait_after(problem, attempt)
                if wait_said(problem) is not None:
                    patience = max(PATIENCE_SECONDS, self._timeout)
                if wait is None or monotonic() + wait > started + patience:
                    raise
                self._notice(f"{problem} Trying again in {wait:.0f} s.")
                await sleep(wait)
        raise AssertionError

    async def _once(self, what: str, method: str, path: str, proof: Proof, **body: Any) -> httpx.Response:
        self._secrets.add(proof.secret)
        address = f"{self._server}{path}"
        try:
            answer = await self._http.request(method, address, headers=proof.headers, **proof.signed(body))
        except httpx.TransportError as error:
            raise Unreachable(f"{what} failed: {self._server} cannot be reached ({why(error)}).") from error
        except httpx.InvalidURL as error:
            raise NotAccepted(f"{what} failed: {self._server} is no address ({error}).") from error
        if not answer.is_success:
            raise self._refusal(what, answer)
        return answer

    def _refusal(self, what: str, answer: httpx.Response) -> Refusal:
        """The refusal, without any token that was sent in this run."""
        text = answer.text
        for secret in filter(None, self._secrets):
            text = text.replace(secret, "[token]")
        return Refusal(what, answer, text)


def _path(deployment_id: str) -> str:
    return f"/api/deployments/{quote(deployment_id, safe='')}"


def _update(kind: str, event_id: str, data: str, retry: int | None) -> Update:
    """An event whose data is no JSON object carries nothing, as a browser's listener would find."""
    try:
        content = json.loads(data) if data else {}
    except ValueError:
        content = {}
    seconds = None if retry is None else retry / 1000
    return Update(kind or "message", event_id, content if isinstance(content, dict) else {}, seconds)


def _no_gateway(server: str) -> Failed:
    return Failed(f"{server} answered, but not as a DAG gateway does; is --server (DAG_SERVER_URL) right?")
