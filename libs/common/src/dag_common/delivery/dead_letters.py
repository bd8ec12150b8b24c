"""For operators: look at what no handler could take, and send it back once the cause is gone.

python -m dag_common.delivery.dead_letters list [N]      one JSON object a line, at most N (100)
python -m dag_common.delivery.dead_letters replay [N]    back to the queues they came from, at most N (100)

Replaying is always safe: a message is a wake-up, and what was done already is skipped.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from typing import Final

from dag_common.bus.amqp import AmqpBus
from dag_common.bus.seam import DeadLetter, DeadLetters
from dag_common.errors import DagError
from dag_common.runtime.settings import explain, settings_from, variable

LIMIT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the dead letters lie."""

    amqp_url: str = variable("DAG_AMQP_URL", "amqp:// address of RabbitMQ", secret=True)
    amqp_namespace: str = variable(
        "DAG_AMQP_NAMESPACE", "prefix of names on the broker, for installations that share a virtual host", default=""
    )


async def run(action: str, limit: int, letters: DeadLetters) -> list[str]:
    """Do it; returns the lines to print. Raises `Unavailable`."""
    if action == "replay":
        return [f"replayed {await letters.replay(limit)}"]
    return [_line(letter) for letter in await letters.dead_letters(limit)]


def _line(letter: DeadLetter) -> str:
    return json.dumps(
        {
            "id": letter.message.id,
            "type": letter.message.routing_key,
            "queue": letter.queue,
            "attempt": letter.attempt,
            "reason": letter.reason,
        }
    )


async def _on_the_broker(action: str, limit: int) -> list[str]:
    settings = settings_from(Settings, os.environ)
    bus = AmqpBus(settings.amqp_url, namespace=settings.amqp_namespace)
    try:
        return await run(action, limit, bus)
    finally:
        await bus.close()


def main(arguments: list[str]) -> int:
    """Read the command line, do it, print; returns the exit code."""
    match arguments:
        case [("list" | "replay") as action]:
            limit = LIMIT
        case [("list" | "replay") as action, number] if number.isdecimal():
            limit = int(number)
        case _:
            sys.stderr.write(f"{__doc__}\n{explain(Settings)}\n")
            return 2
    try:
        lines = asyncio.run(_on_the_broker(action, limit))
    except DagError as exc:
        sys.stderr.write(f"dead-letters: {exc.message}\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
