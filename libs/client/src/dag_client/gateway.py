"""The gateway's HTTP API as a client sees it; what is safe to repeat is repeated, what was refused is told."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from httpx_sse import EventSource, SSEError

from dag_client.call import Call, Proof
from dag_client.clock import monotonic, pause
from dag_client.errors import ClientError, Failed, NotAccepted

PATIENCE_SECONDS = 30.0
"""How long a request that got no proper answer is repeated: a gateway that restarts is back within this."""

_LATER = frozenset({429, 502, 503, 504})


class Refusal(NotAccepted):
    """An answer that is not 2xx. `status` and `body` are as the gateway sent them, without the job's token."""

    def __init__(self, what: str, status: int, body: str) -> None:
        super().__init__(f"{what} failed ({status}): {_detail(body)}")
        self.what = what
        self.status = status
        self.body = body


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
    """One gateway's address and a connection pool. `notice` is told, in a sentence, of each repeated request."""

    def __init__(self, http: httpx.AsyncClient, server: str, notice: Callable[[str], None]) -> None:
        self._http = http
        self._server = server
        self._notice = notice

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
        return await self._post(
            what, "/api/deploy", call, data=call.fields() | {"version": version} | more, files=files
        )

    async def chart(self, call: Call) -> bytes:
        """The currently deployed chart as a .tgz."""
        answer = await self._post("Get chart", "/api/get/chart", call, json=call.fields())
        return answer.content

    async def values(self, call: Call) -> Any:
        """The currently deployed values.yaml as JSON."""
        answer = await self._post("Get values", "/api/get/values", call, json=call.fields())
        try:
            return answer.json()
        except ValueError as error:
            raise _no_gateway(self._server) from error

    async def deployment(self, deployment_id: str) -> dict[str, Any]:
        """Everything the gateway tells about one deployment."""
        answer = await self._ask("Get deployment", "GET", _path(deployment_id), "")
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
            answer = await self._ask("Cancel", "POST", path, proof.secret, headers=proof.headers, json=proof.fields)
            return answer.status_code == httpx.codes.OK, dict(answer.json())
        except Refusal as error:
            if error.status == httpx.codes.CONFLICT:
                raise Failed(str(error)) from error
            raise
        except (ValueError, TypeError) as error:
            raise _no_gateway(self._server) from error

    async def events(self, deployment_id: str, after: str) -> AsyncGenerator[Update, None]:
        """The events of a deployment after the one with id `after` (empty: the current status first), one connection.

        Raises `Interrupted` when the connection or the gateway is gone, `Refusal` when there is no such deployment.
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
            raise Interrupted(f"The connection to {self._server} broke ({_why(error)}).") from error

    async def _check_stream(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        body = (await answer.aread()).decode(errors="replace")
        if answer.status_code in _LATER:
            raise Interrupted(f"{self._server} answered {answer.status_code}.")
        raise Refusal("Watch", answer.status_code, body)

    async def _post(self, what: str, path: str, call: Call, **body: Any) -> httpx.Response:
        return await self._ask(what, "POST", path, call.job_token, **body)

    async def _ask(self, what: str, method: str, path: str, secret: str, **body: Any) -> httpx.Response:
        until = monotonic() + PATIENCE_SECONDS
        for attempt in itertools.count(1):
            try:
                answer = await self._http.request(method, f"{self._server}{path}", **body)
                if answer.is_success:
                    return answer
                problem: NotAccepted = Refusal(what, answer.status_code, _without(secret, answer.text))
                wait = _retry_after(answer, attempt)
            except httpx.TransportError as error:
                problem = NotAccepted(f"{what} failed: {self._server} cannot be reached ({_why(error)}).")
                wait = pause(attempt)
            except httpx.InvalidURL as error:
                raise NotAccepted(f"{what} failed: {self._server} is no address ({error}).") from error
            if wait is None or monotonic() + wait > until:
                raise problem
            self._notice(f"{problem} Trying again in {wait:.0f} s.")
            await asyncio.sleep(wait)
        raise AssertionError


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


def _retry_after(answer: httpx.Response, attempt: int) -> float | None:
    """Seconds until the request may be repeated; None if it may not. Retry-After as a date is not used by DAG."""
    if answer.status_code not in _LATER:
        return None
    told = answer.headers.get("Retry-After", "")
    return max(float(told), 0.1) if told.isdecimal() else pause(attempt)


def _without(secret: str, text: str) -> str:
    return text.replace(secret, "[token]") if secret else text


def _detail(body: str) -> str:
    """The sentence of an RFC 9457 problem, or the body as it is."""
    try:
        problem = json.loads(body)
    except ValueError:
        return body.strip()
    if isinstance(problem, dict) and problem.get("detail"):
        return str(problem["detail"])
    return body.strip()


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__


def _no_gateway(server: str) -> Failed:
    return Failed(f"{server} answered, but not as a DAG gateway does; is --server (DAG_SERVER_URL) right?")
