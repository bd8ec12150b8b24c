"""What can go wrong in a client, as one tree; each class is one exit code of the `dag` command.

ClientError
├── Failed        1  the deployment failed, or an answer made no sense
├── Misused       2  a flag, a variable or a chart folder is wrong: the caller mends the call
├── NotAccepted   3  the gateway refused, or could not be reached
├── TimedOut      4  no end within --timeout; the deployment itself goes on
├── Superseded    5  a newer deployment took over
└── Stopped     130  a signal ended the wait (128 and its number: 143 for SIGTERM)
"""

from __future__ import annotations


class ClientError(Exception):
    """The root; the text is one or a few sentences for the person who reads the CI log, never with a token in it."""

    exit_code: int = 1


class Failed(ClientError):
    """The deployment ended as failed: read why and mend the chart or the cluster."""


class Misused(ClientError):
    """The call is wrong: mend the flag, variable or file that the message names."""

    exit_code = 2


class NotAccepted(ClientError):
    """The gateway refused, or cannot be reached: the message says which, and what to do."""

    exit_code = 3


class TimedOut(ClientError):
    """The wait is over, the deployment is not: follow it again by its id."""

    exit_code = 4


class Superseded(ClientError):
    """A newer deployment of the same environment took over: nothing to mend, the newer one's job tells the rest."""

    exit_code = 5


class Stopped(ClientError):
    """Somebody ended the wait: the deployment goes on, if it was accepted; the message says how to follow it."""

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal
