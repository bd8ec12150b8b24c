"""A client as others wrote it for the earlier server, from nothing but what is known of such clients.

It shares no code with DAG's own: it writes its multipart bodies by hand, and reads streams as a browser's EventSource
does (WHATWG HTML, section 9.2, Server-sent events).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

SILENCE_SECONDS = 30.0
BOUNDARY = "----WebKitFormBoundaryx7Vq0"
ENDS = ("deployed", "failed")


@dataclass(slots=True)
class Message:
    """What an EventSource hands to a listener."""

    type: str
    data: str
    last_event_id: str


@dataclass
class EventSource:
    """One stream, opened again with Last-Event-ID whenever it ends or is silent; any 204 or error status is final."""

    http: httpx.AsyncClient
    url: str
    last_event_id: str = ""
    retry_seconds: float = 3.0
    opened_after: list[str] = field(default_factory=list)

    async def messages(self) -> AsyncIterator[Message]:
        """Everything it dispatches, over all its connections."""
        while True:
            try:
                async for message in self._connection():
                    yield message
            except (httpx.TransportError, TimeoutError):
                pass
            await asyncio.sleep(self.retry_seconds)

    async def _connection(self) -> AsyncIterator[Message]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}
        if self.last_event_id:
            headers["Last-Event-ID"] = self.last_event_id
        self.opened_after.append(self.last_event_id)
        timeout = httpx.Timeout(10, read=None)
        async with self.http.stream("GET", self.url, headers=headers, timeout=timeout) as answer:
            assert answer.status_code == 200, answer.status_code
            assert answer.headers["content-type"].split(";")[0] == "text/event-stream"
            lines = answer.aiter_lines()
            silent_from = asyncio.get_running_loop().time()
            while True:
                async with asyncio.timeout_at(silent_from + SILENCE_SECONDS):
                    message = await self._next(lines)
                if message is None:
                    return
                if message.type in ("status", "heartbeat"):
                    silent_from = asyncio.get_running_loop().time()
                yield message

    async def _next(self, lines: AsyncIterator[str]) -> Message | None:
        kind, data = "", list[str]()
        async for line in lines:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line and data:
                return Message(kind or "message", "\n".join(data), self.last_event_id)
            if name == "event":
                kind = value
            elif name == "data":
                data.append(value)
            elif name == "id" and "\0" not in value:
                self.last_event_id = value
            elif name == "retry" and value.isdecimal():
                self.retry_seconds = int(value) / 1000
        return None


@dataclass(frozen=True, slots=True)
class PriorClient:
    """One CI job's client. `content_type` is what it says of the chart's form file, empty for nothing at all."""

    http: httpx.AsyncClient
    server: str
    job: Mapping[str, str]
    content_type: str = ""

    async def deploy(self, version: str, chart: bytes) -> str:
        """POST /api/deploy; the deployment's id."""
        body = _multipart({**self.job, "version": version}, chart, self.content_type)
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        answer = await self.http.post(f"{self.server}/api/deploy", content=body, headers=headers)
        assert answer.is_success, f"Deploy failed ({answer.status_code}): {answer.text}"
        return str(answer.json()["deploymentId"])

    async def ask(self, what: str) -> httpx.Response:
        """POST /api/get/<what> with a JSON body."""
        answer = await self.http.post(f"{self.server}/api/get/{what}", json=dict(self.job))
        assert answer.is_success, f"Get {what} failed ({answer.status_code}): {answer.text}"
        return answer

    def source(self, deployment_id: str) -> EventSource:
        """The deployment's stream."""
        return EventSource(self.http, f"{self.server}/api/deployments/{deployment_id}/events")


async def to_the_end(source: EventSource, heard: Callable[[str], object] = lambda _: None) -> list[dict[str, Any]]:
    """Every status told, up to the one that ends the deployment."""
    statuses: list[dict[str, Any]] = []
    async for message in source.messages():
        if message.type == "status":
            statuses.append(json.loads(message.data))
            heard(statuses[-1]["status"])
            if statuses[-1]["status"] in ENDS:
                break
    return statuses


def _multipart(fields: Mapping[str, str], chart: bytes, content_type: str) -> bytes:
    def part(disposition: str, content: bytes, kind: str = "") -> bytes:
        said = f"Content-Type: {kind}\r\n" if kind else ""
        head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n{said}\r\n"
        return head.encode() + content + b"\r\n"

    texts = b"".join(part(f'name="{name}"', value.encode()) for name, value in fields.items())
    return texts + part('name="chart"; filename="chart.tgz"', chart, content_type) + f"--{BOUNDARY}--\r\n".encode()
