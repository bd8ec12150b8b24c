from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest

from dag_common.bus.amqp import AmqpBus
from dag_common.bus.seam import Message
from dag_common.contracts.topology import PUSHER_QUEUE


async def command(amqp_url: str, namespace: str, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dag_common.delivery.dead_letters",
        *arguments,
        env={**os.environ, "DAG_AMQP_URL": amqp_url, "DAG_AMQP_NAMESPACE": namespace},
        stdout=-1,
        stderr=-1,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_an_operator_lists_dead_letters_and_sends_them_back(amqp_url: str, amqp_namespace: str) -> None:
    bus = AmqpBus(amqp_url, namespace=amqp_namespace)
    await bus.publish([Message(id="letter-1", routing_key="deployment.requested", body=b"{}")])
    async with bus.consume(PUSHER_QUEUE, prefetch=1) as deliveries, asyncio.timeout(60):
        await (await anext(deliveries)).dead_letter("a type from the future")
        code, out, err = await command(amqp_url, amqp_namespace, "list")
        assert (code, err) == (0, "")
        assert [json.loads(line) for line in out.splitlines()] == [
            {
                "id": "letter-1",
                "type": "deployment.requested",
                "queue": "dag.pusher",
                "attempt": 1,
                "reason": "a type from the future",
            }
        ]
        assert (await command(amqp_url, amqp_namespace, "replay", "5"))[:2] == (0, "replayed 1\n")
        assert (await anext(deliveries)).message.id == "letter-1"
    assert await bus.dead_letters(10) == []
    await bus.close()


@pytest.mark.parametrize("arguments", [[], ["replay", "many"], ["drop"]])
async def test_a_command_line_that_is_none_explains_itself(arguments: list[str]) -> None:
    code, out, err = await command("amqp://guest:guest@127.0.0.1:1/", "", *arguments)
    assert (code, out) == (2, "")
    assert "replay [N]" in err
    assert "DAG_AMQP_URL" in err


async def test_a_broker_that_is_away_is_said_in_one_line() -> None:
    code, out, err = await command("amqp://guest:planted-secret@127.0.0.1:1/", "", "list")
    assert (code, out) == (1, "")
    assert "dead-letters: the message broker cannot be asked" in err
    assert "planted-secret" not in err
