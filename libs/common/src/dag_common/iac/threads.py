"""Where libgit2 works: in threads of its own, which no signal disturbs."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Final

_SIGNALS: Final = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}


def _leave_signals_to_others() -> None:
    """One that comes while libgit2 waits for a server would be a broken connection to it.

    libgit2 1.9.7 does not receive again after EINTR ("error receiving data from socket: Interrupted system call"),
    and the kernel may hand the end of a child process to any thread that does not block it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


THREADS: Final = ThreadPoolExecutor(max_workers=64, thread_name_prefix="git", initializer=_leave_signals_to_others)
"""Network calls block for as long as a server is silent, so they do not take the event loop's own few threads."""
