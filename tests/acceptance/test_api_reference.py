"""What the API promises of what it accepts, as a client sees it: HTTP to running services, and nothing else.

What needs a look inside (the log, a reader that lags, a broker that is away) is tried in the gateway's integration
tests.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import tarfile
import uuid
from pathlib import Path
from typing import Any

from acceptance.api_client import AUTHORISED, EVERY_POST, Client, assert_problem, client_of
from acceptance.harness.charts import chart_files
from acceptance.harness.scene import Build
from gateway_world import Sent, rest_of


async def test_an_open_stream_tells_where_it_stands_shows_life_and_ends_by_itself(build: Build, tmp_path: Path) -> None:
    async with client_of(build, tmp_path, gateway=1) as client:
        id_ = await _accepted(client)
        async with asyncio.timeout(60), client.stream(id_) as events:
            first, second = await anext(events), await anext(events)
            assert (first.event, first.data["status"], first.id) == ("status", "pending", "1")
            assert int(first.retry) > 0
            assert (second.event, second.data, second.id) == ("heartbeat", {}, "1")
            await client.scene.dag.start(pusher=1)
            rest = [each for each in await rest_of(events) if each.event != "heartbeat"]
        _assert_well_formed([first, *rest], "deployed")
        last = rest[-1]
        (only,) = await client.told(id_)
        assert (only.event, only.data, only.id) == (last.event, last.data, last.id)
        missed = [each for each in await client.told(id_, last_event_id="2") if each.event == "status"]
        assert [each.id for each in missed] == [str(number) for number in range(3, int(last.id) + 1)]


async def _accepted(client: Client, **changes: Any) -> str:
    answer = await client.post("/api/deploy", **changes)
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["deploymentId"]
    assert uuid.UUID(answer.json()["deploymentId"]).version == 7
    return str(answer.json()["deploymentId"])


def _assert_well_formed(sent: list[Sent], end: str) -> None:
    statuses = [each for each in sent if each.event == "status"]
    assert {each.event for each in sent} <= {"status", "commit", "target"}
    assert all(list(each.data) == ["status", "message"] for each in statuses)
    assert [int(each.id) for each in statuses] == list(range(1, len(statuses) + 1))
    assert statuses[-1] is sent[-1]
    assert statuses[-1].data["status"] == end
    commit = next(each for each in sent if each.event == "commit")
    assert list(commit.data) == ["sha", "url"]


async def test_what_is_deployed_is_told_and_comes_back(build: Build, tmp_path: Path) -> None:
    async with client_of(build, tmp_path, gateway=1, pusher=1) as client:
        first = await _accepted(client)
        assert (await client.told(first))[-1].data["status"] == "deployed"
        archive = await client.post("/api/get/chart")
        assert archive.headers["content-type"] == "application/gzip"
        assert _names_in(archive.content) == {f"shop/{name}" for name in chart_files("x")}
        values = await client.post("/api/get/values", environment="plain")
        assert values.headers["content-type"] == "application/json"
        assert values.json() == {"note": "x", "replicaCount": 2}
        again = await _accepted(client, chart=archive.content, version="2")
        assert (await client.told(again))[-1].data["status"] == "deployed"
        await _assert_listed(client, [again, first])
        await _assert_pages(client)


def _names_in(archive: bytes) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as opened:
        return set(opened.getnames())


async def _assert_listed(client: Client, newest_first: list[str]) -> None:
    one = (await client.http.get(f"/api/deployments/{newest_first[0]}")).json()
    assert (one["id"], one["status"], one["version"]) == (newest_first[0], "deployed", "2")
    assert_problem(await client.http.get("/api/deployments"), 401)
    async with asyncio.timeout(20):
        while await _listed(client, status="deployed", app="lab") != newest_first:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    assert await _listed(client, limit="1") == newest_first
    assert await _listed(client, environment="broken") == []


async def _listed(client: Client, **query: str) -> list[str]:
    """All pages."""
    found: list[str] = []
    while True:
        page = (await client.http.get("/api/deployments", params=query, headers=AUTHORISED)).json()
        found += [each["id"] for each in page["deployments"]]
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]


async def _assert_pages(client: Client) -> None:
    described = (await client.http.get("/openapi.json")).json()
    assert described["paths"].keys() >= {*EVERY_POST, "/api/deployments", "/api/deployments/{id}/events"}
    for service in client.scene.dag.all:
        for page, said in (("healthz", "alive"), ("readyz", '"ok"'), ("metrics", "# HELP")):
            answer = await client.http.get(f"{service.url}/{page}")
            assert answer.status_code == 200
            assert said in answer.text
