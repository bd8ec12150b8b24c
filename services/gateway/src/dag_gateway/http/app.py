"""The routes, and what stands around them."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from dag_common.runtime.health import Health
from dag_gateway.http.cancellations import CancellationEndpoint
from dag_gateway.http.deployments import DeploymentEndpoints
from dag_gateway.http.jobs import JobEndpoints
from dag_gateway.http.openapi import openapi
from dag_gateway.http.problems import HANDLERS
from dag_gateway.http.streams import EventStreams
from dag_gateway.http.telemetry import OPEN, Telemetry


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What answers."""

    jobs: JobEndpoints
    deployments: DeploymentEndpoints
    cancellations: CancellationEndpoint
    streams: EventStreams


def application(endpoints: Endpoints, health: Health) -> Starlette:
    """The API as an ASGI application; see the API reference for what it promises."""
    jobs, deployments = endpoints.jobs, endpoints.deployments
    app = Starlette(
        routes=[
            Route("/api/deploy", jobs.deploy, methods=["POST"]),
            Route("/api/get/chart", jobs.get_chart, methods=["POST"]),
            Route("/api/get/values", jobs.get_values, methods=["POST"]),
            Route("/api/deployments/{id}/cancel", endpoints.cancellations.cancel, methods=["POST"]),
            Route(OPEN, endpoints.streams, methods=["GET"]),
            Route("/api/deployments/{id}", deployments.one, methods=["GET"]),
            Route("/api/deployments", deployments.page, methods=["GET"]),
            Route("/openapi.json", openapi, methods=["GET"]),
            *health.routes(),
        ],
        middleware=[Middleware(Telemetry)],
        exception_handlers=HANDLERS,
    )
    app.router.redirect_slashes = False
    return app
