"""What each outcome and symptom means, in one line for people."""

from __future__ import annotations

from typing import Final

from dag_sandbox.reconcilers import outcomes as of

OUTCOME_MEANINGS: Final = {
    of.SUCCEED: "the chart is rolled out; the default",
    of.FAIL: "the rollout fails for sandbox.reason",
    of.REFUSED: "the cluster refuses the manifests",
    of.ROLLBACK: "it fails twice, and is rolled back",
    of.RENDER_ERROR: "the templates cannot be rendered",
    of.STUCK: "it goes on until a timeout ends it",
    of.RETRY_THEN_SUCCEED: "the first attempt fails, the second one does not",
}

SYMPTOM_MEANINGS: Final = {
    of.IMAGE_PULL: "the image cannot be pulled",
    of.CRASH_LOOP: "the container crashes again and again",
    of.OUT_OF_MEMORY: "the container is killed for its memory",
    of.CONFIG_ERROR: "a ConfigMap or Secret is missing",
    of.UNSCHEDULABLE: "no node has room",
    of.NOT_READY: "the readiness probe fails",
    of.VOLUME: "a volume cannot be mounted",
    of.QUOTA: "the namespace's quota is used up",
}
