"""What libgit2 asks and tells during one conversation with a git server."""

from __future__ import annotations

from typing import Final

import pygit2
from pygit2.enums import CredentialType
from pygit2.remotes import PushUpdate, TransferProgress

from dag_common.errors import Conflict, Unavailable
from dag_common.iac import library
from dag_common.iac.access import AccessSource, Bearer, Password, SshKey
from dag_common.runtime.clock import monotonic

FETCH_SECONDS: Final = 1800.0
"""No fetch takes longer, however steadily the server drips."""

CHECK: Final = "check the credentials of this IaC repository in the registry, and that they may read and push"
_WORDS_LIMIT: Final = 4096
_NOTHING: Final = "0" * 40


class Callbacks(pygit2.RemoteCallbacks):
    """What libgit2 asks and tells during one conversation."""

    def __init__(self, url: str, source: AccessSource, expected: str) -> None:
        super().__init__()
        self._url = url
        self._access = source()
        self._expected = expected
        self._asked = False
        self._deadline = monotonic() + FETCH_SECONDS
        self.sent = False
        self.words = ""
        self.answers: dict[str, str | None] = {}
        self._prepare()

    def _prepare(self) -> None:
        if self._access.ca_file is not None:
            library.trust(self._access.ca_file)
        if isinstance(self._access.credentials, SshKey):
            library.know_hosts(self._access.credentials.known_hosts)

    def credentials(
        self, _url: str, _username: str | None, allowed_types: CredentialType
    ) -> pygit2.Username | pygit2.UserPass | pygit2.Keypair:
        """The credentials, once: asked a second time, the server has refused them."""
        given = self._access.credentials
        if isinstance(given, SshKey) and allowed_types & CredentialType.USERNAME:
            return pygit2.Username(given.username)
        if self._asked:
            raise Unavailable(f"the git server refused DAG's credentials for {self._url}: {CHECK}")
        self._asked = True
        if isinstance(given, SshKey) and allowed_types & CredentialType.SSH_MEMORY:
            return pygit2.KeypairFromMemory(given.username, None, given.private_key, given.passphrase)
        if isinstance(given, Password) and allowed_types & CredentialType.USERPASS_PLAINTEXT:
            return pygit2.UserPass(given.username, given.password)
        raise Unavailable(f"the git server asks for credentials for {self._url} that DAG does not have: {CHECK}")

    def custom_headers(self) -> list[str] | None:
        """The bearer token, if that is what we have."""
        given = self._access.credentials
        return [f"Authorization: Bearer {given.token}"] if isinstance(given, Bearer) else None

    def certificate_check(self, _certificate: None, valid: bool, _host: bytes) -> bool:
        """What the TLS or SSH library found, never anything kinder."""
        return valid

    def transfer_progress(self, _stats: TransferProgress) -> None:
        """Ends a conversation that drips on past its time."""
        if monotonic() > self._deadline:
            raise Unavailable(f"the git server at {self._url} took longer than {FETCH_SECONDS:.0f} s")

    def sideband_progress(self, string: str) -> None:
        """Collects what the server tells people: a hook's reasons come this way."""
        self.words = (self.words + string)[:_WORDS_LIMIT]

    def turn_deaf(self) -> None:
        """Do not listen to words for people; pygit2 then does not decode them."""
        self.sideband_progress = None  # type: ignore[method-assign, assignment]

    def push_negotiation(self, updates: list[PushUpdate]) -> None:
        """The last look before anything is sent: the server's tip must be the one we built on.

        Without it a branch that was set back would be moved forward again.
        """
        for update in updates:
            if update.src != update.dst and str(update.src) != (self._expected or _NOTHING):
                raise Conflict(f"the branch of {self._url} moved to {update.src}")
        self.sent = bool(updates)

    def push_update_reference(self, refname: str, message: str | None) -> None:
        """The server's answer for one ref; no message means yes."""
        self.answers[refname] = message

    def redacted(self, text: str) -> str:
        """The text without our secrets, should libgit2 or the server repeat one."""
        given = self._access.credentials
        secret = given.password if isinstance(given, Password) else given.token if isinstance(given, Bearer) else ""
        return text.replace(secret, "***") if secret else text
