"""dag-gateway: takes deployments over HTTP and answers with their truth.

python -m dag_gateway            serves until SIGTERM or SIGINT; a second one ends it at once
python -m dag_gateway --help     this text and the variables below

The database must have been migrated: python -m dag_common.store.migrate
On SIGTERM it stops accepting, closes event streams so that clients resume them elsewhere, and finishes requests
within DAG_DRAIN_SECONDS. Health: /healthz, /readyz (each dependency), /metrics. The API: /openapi.json.

Environment:
"""

from __future__ import annotations

from dag_common.runtime.lifecycle import leave
from dag_common.runtime.service import main
from dag_gateway.bootstrap import run_gateway
from dag_gateway.settings import Settings

if __name__ == "__main__":
    leave(main("gateway", __doc__ or "", Settings, run_gateway))
