"""dag-pusher: commits charts to Infrastructure-as-Code repositories.

python -m dag_pusher            works until SIGTERM or SIGINT; a second one ends it at once
python -m dag_pusher --help     this text and the variables below

The database must have been migrated: python -m dag_common.store.migrate
On SIGTERM it takes nothing new and finishes the push in hand within DAG_DRAIN_SECONDS.
Health, if DAG_HEALTH_PORT is set: /healthz, /readyz (each dependency), /metrics.

Environment:
"""

from __future__ import annotations

from dag_common.runtime.lifecycle import leave
from dag_common.runtime.service import main
from dag_pusher.bootstrap import run_pusher
from dag_pusher.settings import Settings

if __name__ == "__main__":
    leave(main("pusher", __doc__ or "", Settings, run_pusher))
