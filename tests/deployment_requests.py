"""What jobs ask of the world in memory: a few places, a few charts, one of which is none."""

from __future__ import annotations

import hashlib

from deployment_world import LANES
from examples import requested

from dag_common.charts.pack import pack
from dag_common.contracts.events import ChartRef, DeploymentRequested, IacTarget, Job, RolloutTarget


def target(name: str) -> RolloutTarget:
    return RolloutTarget(kind="flux", cluster="prod", namespace="default", name=name, timeout_seconds=600)


PLACES = (
    (LANES[0].branch, "apps/web", (target("web"), target("web-eu"))),
    (LANES[0].branch, "apps/api", (target("api"),)),
    (LANES[1].branch, "apps/web", (target("live"),)),
    (LANES[0].branch, "apps/web/none", ()),
)
CHART_YAML = b"apiVersion: v2\nname: podinfo\nversion: 1.0.0\n"
CHARTS = {
    "v1": pack("podinfo", {"Chart.yaml": CHART_YAML, "values.yaml": b"replicas: 1\n"}),
    "v2": pack("podinfo", {"Chart.yaml": CHART_YAML, "values.yaml": b"replicas: 2\n"}),
    "broken": b"no archive at all",
}


def asked(place: int, chart: str, job: int, *, supersede: bool) -> DeploymentRequested:
    branch, path, targets = PLACES[place]
    content = CHARTS[chart]
    return requested(
        environment=f"environment-{place}",
        version="1.0.0",
        job=Job(id=str(job), url=f"https://gitlab.example.com/jobs/{job}"),
        chart=ChartRef(sha256=hashlib.sha256(content).hexdigest(), size=len(content), name="podinfo", version="1.0.0"),
        iac=IacTarget(repository="iac", url="https://git.example.com/iac.git", branch=branch, path=path),
        targets=targets,
        supersede=supersede,
    )
