"""Puts the gateway together; the only file that knows every concrete class."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, replace
from functools import partial

from starlette.applications import Starlette

from dag_common.bus.seam import Bus
from dag_common.charts.limits import DEFAULT
from dag_common.delivery.foundation import foundation
from dag_common.delivery.projector import Projector
from dag_common.errors import Unavailable
from dag_common.iac.mirrors import Mirrors
from dag_common.registry.registry import Registry
from dag_common.runtime.health import Check, Health
from dag_common.runtime.lifecycle import background
from dag_common.runtime.pulse import Pulse
from dag_common.store.clock import LogClock
from dag_common.store.database import Database
from dag_common.store.streams import Streams
from dag_gateway.admission import Admission
from dag_gateway.feed import Feed
from dag_gateway.handlers.cancellation import CancelDeploymentHandler
from dag_gateway.handlers.request import RequestDeploymentHandler
from dag_gateway.http.app import Endpoints, application
from dag_gateway.http.cancellations import CancellationEndpoint
from dag_gateway.http.deployments import DeploymentEndpoints
from dag_gateway.http.jobs import Asking, JobEndpoints
from dag_gateway.http.serving import Address, listen, serve
from dag_gateway.http.streams import EventStreams
from dag_gateway.identity.token_holders import TokenHolders
from dag_gateway.identity.verifiers import ProviderVerifiers
from dag_gateway.projections.deployments import DeploymentsProjection
from dag_gateway.queries.deployments import DeploymentQueries
from dag_gateway.queries.iac import IacQueries
from dag_gateway.queries.plans import PlanQueries, next_position_in
from dag_gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway at work. `drain` closes its streams so that they resume elsewhere, and makes it unready."""

    app: Starlette
    drain: Callable[[], None]


@asynccontextmanager
async def gateway(
    settings: Settings,
    *,
    database: Database,
    bus: Bus,
    registry: Callable[[], Registry],
) -> AsyncIterator[Gateway]:
    """A gateway for as long as the block lasts; database and bus are the caller's, and may serve other services too.

    Without the broker it takes no deployments, but it is ready all the same: its streams and reads go on.
    Raises `Unavailable` if the database, by whose clock tokens are judged and from whose log streams are fed, cannot be
    asked at first.
    """
    async with AsyncExitStack() as stack:
        clock = await LogClock.of(database)
        verifiers = ProviderVerifiers(registry, clock.now)
        stack.push_async_callback(verifiers.close)
        mirrors = Mirrors(registry, settings.data_dir / "gateway" / "mirrors")
        stack.push_async_callback(mirrors.close)
        feed = await Feed.from_now_on(bus, database)
        admission = Admission(registry, verifiers)
        broker = Pulse("message broker", bus.ping)
        health = Health({"database": database.pulse.check, "feed": _feed_is_live(feed)}, told={"broker": broker.check})
        jobs = _jobs(settings, database, admission, mirrors, _needed(database.pulse, broker))
        app = application(_endpoints(settings, database, feed, admission, jobs), health)
        projector = Projector(database, DeploymentsProjection())
        await asyncio.gather(database.pulse.beat(), broker.beat())
        loops = background(
            database_pulse=database.pulse.run,
            broker_pulse=broker.run,
            clock=partial(clock.keep_hearing, database),
            feed=feed.run,
            deployments_projector=projector.run,
        )
        await stack.enter_async_context(loops)
        yield Gateway(app, feed.drain)


async def run_gateway(settings: Settings, stop: asyncio.Event) -> None:
    """Run a gateway process until `stop` is set; raises `DagError` if it cannot start."""
    with closing(listen(Address(settings.http_host, settings.http_port))) as listener:
        async with (
            foundation(settings) as base,
            gateway(settings, database=base.database, bus=base.bus, registry=base.registry.current) as served,
        ):
            await serve(served.app, listener, stop, drain=served.drain, drain_seconds=settings.drain_seconds)


def _needed(*pulses: Pulse) -> Callable[[], None]:
    """What a deployment cannot do without: the log that keeps it, and the broker that wakes whoever is next."""

    def needed() -> None:
        for pulse in pulses:
            pulse.needed()

    return needed


def _jobs(
    settings: Settings, database: Database, admission: Admission, mirrors: Mirrors, needed: Callable[[], None]
) -> JobEndpoints:
    limits = replace(DEFAULT, upload=settings.max_chart_bytes)
    deploy = RequestDeploymentHandler(database, admission, limits)
    iac = IacQueries(admission, mirrors)
    plans = PlanQueries(mirrors, next_position_in(database))
    ask = Asking(deploy, deploy.check, plans.plan, iac.chart, iac.values)
    return JobEndpoints(ask, needed=needed, max_chart_bytes=settings.max_chart_bytes)


def _endpoints(
    settings: Settings, database: Database, feed: Feed, admission: Admission, jobs: JobEndpoints
) -> Endpoints:
    deployments = DeploymentQueries(database)
    holders = TokenHolders(settings.operator_tokens, settings.auditor_tokens)
    cancel = CancelDeploymentHandler(Streams(database, "gateway"), admission, holders, feed.subscribe)
    return Endpoints(
        jobs=jobs,
        deployments=DeploymentEndpoints(deployments.one, deployments.page, holders),
        cancellations=CancellationEndpoint(cancel),
        streams=EventStreams(feed, deployments.records),
    )


def _feed_is_live(feed: Feed) -> Check:
    async def check() -> None:
        if feed.draining:
            raise Unavailable("shutting down")

    return check
