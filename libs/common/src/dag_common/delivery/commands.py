"""`dag dead-letters`: the subcommands that this package adds to the `dag` command, for operators."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar
from urllib.parse import urlsplit

import typer

from dag_common.errors import DagError, Invalid, Unavailable
from dag_common.runtime.settings import settings_from, variable

if TYPE_CHECKING:
    from dag_common.bus.seam import DeadLetter, DeadLetters

LIMIT = 100

Answer = TypeVar("Answer")
Limit = Annotated[int, typer.Option(min=1, help="At most so many.")]

dead_letters = typer.Typer(
    help="""Messages that failed for good: look at them, and send them back once the cause is gone.

    They lie on the broker that DAG_AMQP_URL names (with DAG_AMQP_NAMESPACE, if the services have one). Sending them \
back is always safe: a message is a wake-up, and what was done already is skipped.
    """,
    no_args_is_help=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the dead letters lie."""

    amqp_url: str = variable(
        "DAG_AMQP_URL", "amqp:// address of the broker that the services use; without one, see their log", secret=True
    )
    amqp_namespace: str = variable("DAG_AMQP_NAMESPACE", "prefix of names on the broker", default="")


@dead_letters.command("list")
def show(
    limit: Limit = LIMIT, as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False
) -> None:
    """Show them, about the oldest first, and leave them where they are."""
    letters = _asked(lambda bus: bus.dead_letters(limit))
    if as_json:
        for letter in letters:
            typer.echo(json.dumps(_fields(letter), ensure_ascii=False))
    elif letters:
        _print_table([_fields(letter) for letter in letters])
    else:
        typer.echo("There are no dead letters.")


@dead_letters.command()
def replay(limit: Limit = LIMIT) -> None:
    """Send them back to the queues they came from, about the oldest first, as first attempts."""
    typer.echo(f"replayed {_asked(lambda bus: bus.replay(limit))}")


def _fields(letter: DeadLetter) -> dict[str, str | int]:
    return {
        "id": letter.message.id,
        "type": letter.message.routing_key,
        "queue": letter.queue,
        "attempt": letter.attempt,
        "reason": letter.reason,
    }


def _print_table(rows: list[dict[str, str | int]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - `dag deploy` loads this module and needs no table
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(soft_wrap=not sys.stdout.isatty(), markup=False, highlight=False).print(table)


def _asked(ask: Callable[[DeadLetters], Awaitable[Answer]]) -> Answer:
    """The broker's answer; ends the process with what is wrong if there is none."""
    try:
        return asyncio.run(_ask(ask))
    except DagError as exc:
        typer.echo(f"dead-letters: {exc.message}", err=True)
        raise typer.Exit(2 if isinstance(exc, Invalid) else 1) from exc


async def _ask(ask: Callable[[DeadLetters], Awaitable[Answer]]) -> Answer:
    settings = settings_from(Settings, os.environ)
    async with _broker(settings) as bus:
        try:
            return await ask(bus)
        except Unavailable as exc:
            raise Unavailable(f"{exc.message}; {_place(settings.amqp_url)}: {_cause(exc)}") from exc


def _place(url: str) -> str:
    """Host and port of the broker, without user and password."""
    address = urlsplit(url)
    return f"{address.hostname}:{address.port or (5671 if address.scheme == 'amqps' else 5672)}"


def _cause(exc: BaseException) -> str:
    """The system's own word for it, such as "Connection refused", if it is in the chain of causes."""
    chain: BaseException | None = exc
    while chain is not None:
        number = chain.errno if isinstance(chain, OSError) else next(iter(chain.args), None)
        if isinstance(number, int) and number in errno.errorcode:
            return os.strerror(number)
        chain = chain.__cause__ or chain.__context__
    return type(exc.__cause__ or exc).__name__


@asynccontextmanager
async def _broker(settings: Settings) -> AsyncIterator[DeadLetters]:
    from dag_common.bus.amqp import AmqpBus  # noqa: PLC0415 - `dag deploy` must not load the bus

    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # it reports what it also raises
    bus = AmqpBus(settings.amqp_url, namespace=settings.amqp_namespace)
    try:
        yield bus
    finally:
        await bus.close()
