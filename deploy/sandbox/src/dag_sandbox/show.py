"""`demo` and `up`: a sandbox and a DAG in this process, for the length of a story or until told to stop."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, redirect_stderr, suppress
from pathlib import Path

from dag_client.errors import ClientError
from dag_common.errors import DagError
from dag_common.runtime.logs import configure_logs
from dag_sandbox.addresses import Addresses, ask_addresses
from dag_sandbox.chart import example_chart
from dag_sandbox.curls import quick_start, tour
from dag_sandbox.demo import BROKEN, Demo, flags
from dag_sandbox.running import Running, announced
from dag_sandbox.stage import Stage, Unheard
from dag_sandbox.world import Ground, free_port, world
from dag_standalone.embedded import embedded_postgres, sole_use
from dag_standalone.standalone import standalone

STOPPED = 130
"""The exit code after Ctrl-C."""

UNHEARD = 141
"""The exit code when standard output was closed: what a shell says of a process that SIGPIPE ended."""

API_PORT = 8080
SANDBOX_PORT = 8090
HEADLINE = "DAG: from a CI job to a running chart"
PROMISE = (
    "A CI job hands DAG a Helm chart. DAG proves who is asking, commits the chart to a git repository, watches the "
    "cluster roll it out, and tells the job the truth. All of it runs on this machine now, on loopback only."
)


async def demo(stage: Stage, stop: asyncio.Event) -> int:
    """The whole story on parts of its own; leaves nothing behind unless it failed. The exit code."""
    directory = Path(tempfile.mkdtemp(prefix="dag-demo-"))
    log = directory / "dag.log"
    with _logs_to(log):
        code = await _until(stop, stage, lambda: _demo(stage, directory))
    if code == 1:
        stage.say(f"What the services said: {log}", style="yellow")
    else:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
    return code


async def demo_against(stage: Stage, stop: asyncio.Event, server: str, front: str) -> int:
    """The story on a DAG and a sandbox that run elsewhere. The exit code."""
    stage.title(HEADLINE, f"Against the gateway at {server} and the sandbox at {front}.")
    return await _until(stop, stage, lambda: _demo_against(stage, server, front))


async def up(stage: Stage, stop: asyncio.Event, directory: Path) -> int:
    """Run everything on `directory` and print what to try; ends when told to stop. The exit code."""
    log = directory / "dag.log"
    await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    with _logs_to(log):
        code = await _until(stop, stage, lambda: _up(stage, directory, log))
    if code == STOPPED:
        with suppress(Unheard):
            stage.say(f"Stopped. To begin anew: rm -rf {_shown(directory)}")
    return 0 if code == STOPPED else code


async def _demo(stage: Stage, directory: Path) -> None:
    stage.title(HEADLINE, PROMISE)
    async with AsyncExitStack() as stack:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("DAG_")}
        started = await _start(stack, stage, directory, Ground(), {**plain, "DAG_HTTP_PORT": str(free_port())})
        await Demo(stage, *started).run()
    stage.end(
        f"Done in {stage.seconds:.0f} s, and nothing is left running. `make up` keeps all of this running and prints "
        "commands to try; README.md goes on from here."
    )


async def _demo_against(stage: Stage, server: str, front: str) -> None:
    with stage.step("The sandbox, found running"):
        told = await ask_addresses(front)
        addresses = told.seen_through(front)
        _introduce(stage, addresses)
    await Demo(stage, server, addresses, project_url=told.repo_url).run()
    stage.end(f"Done in {stage.seconds:.0f} s.")


async def _up(stage: Stage, directory: Path, log: Path) -> None:
    stage.title("DAG and a sandbox on this machine", "Ctrl-C stops them; what they keep stays in " + str(directory))
    async with AsyncExitStack() as stack:
        environ = {"DAG_HTTP_PORT": str(free_port(prefer=API_PORT)), **os.environ}
        ground = Ground(port=SANDBOX_PORT if free_port(prefer=SANDBOX_PORT, count=4) == SANDBOX_PORT else 0)
        server, addresses = await _start(stack, stage, directory, ground, environ)
        stack.enter_context(announced(directory, Running(server=server, addresses=addresses)))
        stage.end(f"Everything runs. The services' log: {_shown(log)}. Type in another shell (bash or zsh), here:")
        stage.plain(quick_start(_shown(example_chart().parent), _dag()))
        await asyncio.Event().wait()


async def _start(
    stack: AsyncExitStack, stage: Stage, directory: Path, ground: Ground, environ: Mapping[str, str]
) -> tuple[str, Addresses]:
    registry, database = directory / "registry", await _database(stack, directory, environ)
    with stage.step("The outside world starts"):
        addresses = await stack.enter_async_context(world(directory, registry, ground))
        _introduce(stage, addresses)
    with stage.step("DAG starts: all of it in one process, with a Postgres of its own"):
        places = {"DAG_DATA_DIR": str(directory), "DAG_REGISTRY": str(registry), "DAG_DATABASE_URL": database}
        server = await stack.enter_async_context(standalone({**environ, **places}))
        stage.facts([("API", server)])
    return server, addresses


async def _database(stack: AsyncExitStack, directory: Path, environ: Mapping[str, str]) -> str:
    """The log's URL. The directory is ours alone from here on: a second sandbox must not write what the first reads."""
    if url := environ.get("DAG_DATABASE_URL"):
        stack.enter_context(sole_use(directory))
        return url
    return await stack.enter_async_context(embedded_postgres(directory))


def _introduce(stage: Stage, addresses: Addresses) -> None:
    stage.facts(
        [
            ("a CI provider (GitLab)", addresses.gitlab),
            ("a git host with the IaC repository", addresses.iac_url),
            ("a cluster with Flux, Argo CD and Helm", addresses.cluster),
        ]
    )


async def _until(stop: asyncio.Event, stage: Stage, story: Callable[[], Awaitable[None]]) -> int:
    """Tell a story to its end or until `stop`. Exit code: 0, or 1 when it went wrong, `STOPPED`, `UNHEARD`."""
    telling = asyncio.ensure_future(story())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({telling, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not telling.done():
        telling.cancel()
        with suppress(Unheard):
            stage.end("Stopping ...")
    try:
        await telling
    except asyncio.CancelledError:
        return STOPPED
    except Unheard:
        return UNHEARD
    except (DagError, ClientError, OSError) as error:
        stage.end(f"It did not work: {error}")
        return 1
    return 0


@contextmanager
def _logs_to(path: Path) -> Iterator[None]:
    """The services' logs go to a file, so that the story can be read."""
    with path.open("a", encoding="utf-8") as file, redirect_stderr(file):
        configure_logs("standalone", level=os.environ.get("DAG_LOG_LEVEL") or "info")
        yield


def data_directory() -> Path:
    """Where a sandbox keeps everything: DAG_DATA_DIR, else .dag here."""
    return Path(os.environ.get("DAG_DATA_DIR") or ".dag").absolute()


def whole_tour(addresses: Addresses) -> str:
    """The long list of what to try, as a script for bash."""
    return tour(addresses, _shown(example_chart().parent), _dag(), flags(BROKEN))


def _dag() -> str:
    """How to call the command that lies beside this Python."""
    return _shown(Path(sys.executable).with_name("dag"))


def _shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
