"""Which errors of a comparison are about what is in git, and which about a part of Argo CD or a host that is away.

Argo CD tells both as a ComparisonError: `Failed to load target state: failed to generate manifest for source 1 of 1:
rpc error: ...` (argoproj/argo-cd controller/state.go and reposerver/repository/repository.go). So the words decide.
"""

from __future__ import annotations

import re
from typing import Final

from dag_monitor.domain.argocd_observation import Trouble

_AWAY: Final = re.compile(
    r"code = (Unavailable|DeadlineExceeded|Canceled|Aborted|ResourceExhausted)\b|context deadline exceeded|"
    r"context canceled|connection (refused|reset|timed out|error)|connection closed|i/o timeout|timeout after|"
    r"tls handshake timeout|no such host|could not resolve host|server misbehaving|no route to host|"
    r"network is unreachable|broken pipe|unexpected eof|\beof$|transport is closing|service unavailable|bad gateway|"
    r"too many requests|failed to connect",
    re.IGNORECASE,
)
_MADE: Final = re.compile(
    r"`?helm (template|dependency)|kustomize build|manifest generation error|app path does not exist|"
    r"failed to unmarshal|error unmarshal|failed to execute helm",
    re.IGNORECASE,
)


def of_the_chart(trouble: Trouble, *, nameless: bool) -> bool:
    """Whether only a change in git or in the Application mends it; of a `nameless` comparison that has to be evident.

    A comparison that names no commit did not come to look at one, or came to look and could not make manifests.
    """
    if _AWAY.search(trouble.message):
        return False
    return not nameless or trouble.type != "ComparisonError" or bool(_MADE.search(trouble.message))
