"""dag-monitor: watches rollouts and gives the verdict.

python -m dag_monitor            works until SIGTERM or SIGINT; a second one ends it at once
python -m dag_monitor --help     this text and the variables below

The database must have been migrated: python -m dag_common.store.migrate
On SIGTERM it takes nothing new and hands its watches over to the other monitors within DAG_DRAIN_SECONDS.
Health, if DAG_HEALTH_PORT is set: /healthz, /readyz (each dependency), /metrics.

Environment:
"""

from __future__ import annotations

from dag_common.runtime.lifecycle import leave
from dag_common.runtime.service import main
from dag_monitor.bootstrap import run_monitor
from dag_monitor.settings import Settings

if __name__ == "__main__":
    leave(main("monitor", __doc__ or "", Settings, run_monitor))
