"""A cluster double on a loopback port."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from dag_sandbox.cluster.api import ClusterApp
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.serving import serve


class ClusterApi:
    """`async with ClusterApi(double) as api`: served while the context is open, on `api.url` with `api.token`."""

    def __init__(
        self,
        cluster: ClusterDouble,
        *,
        port: int = 0,
        certificate: Path | None = None,
        private_key: Path | None = None,
    ) -> None:
        """With a certificate and its key (PEM files) the API speaks TLS. Port 0 takes any free one."""
        self.cluster = cluster
        self.app = ClusterApp(cluster)
        self.url = ""
        self._port, self._certificate, self._private_key = port, certificate, private_key
        self._stack = AsyncExitStack()

    @property
    def token(self) -> str:
        """The bearer token the API takes now."""
        return self.cluster.token

    async def __aenter__(self) -> Self:
        self.url = await self._stack.enter_async_context(
            serve(self.app, port=self._port, ssl_certfile=self._certificate, ssl_keyfile=self._private_key)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
