"""The section `iac` of `dag.yaml`: the repositories that charts are committed to, and the ways in."""

from __future__ import annotations

import re

from dag_common.registry.entry import Entry, Misfit, check_web_url
from dag_common.registry.references import File, Secret

_SCP_LIKE = re.compile(r"[^@/:\s]+@[^@/:\s]+:[^\s:]+")


class HttpsCredentials(Entry, frozen=True, kw_only=True):
    """What a git host asks over https: a user name and a token or password."""

    username: str
    password: Secret


class SshCredentials(Entry, frozen=True, kw_only=True):
    """What a git host asks over ssh: our private key, and its own keys as `known_hosts` lines."""

    private_key: Secret
    known_hosts: File
    username: str = "git"
    passphrase: Secret | None = None


class Credentials(Entry, frozen=True, kw_only=True):
    """One of the two ways in."""

    https: HttpsCredentials | None = None
    ssh: SshCredentials | None = None

    def __post_init__(self) -> None:
        if (self.https is None) == (self.ssh is None):
            raise ValueError("expected exactly one of https {username, password} and ssh {privateKey, knownHosts}")


class IacRepository(Entry, frozen=True, kw_only=True):
    """A git repository that a cluster's reconciler follows. `branch` is where charts are committed."""

    url: str
    branch: str = "main"
    credentials: Credentials | None = None
    ca: File | None = None

    def __post_init__(self) -> None:
        if self.url.startswith(("http://", "https://")):
            check_web_url(self.url, "url")
        elif not self.url.startswith(("ssh://", "file://")) and not _SCP_LIKE.fullmatch(self.url):
            raise Misfit("url", "expected an https or ssh URL of a git repository")
        if not self.branch or self.branch.startswith("refs/"):
            raise Misfit("branch", "expected a branch's short name, without refs/heads/")
        self._check_credentials()

    def _check_credentials(self) -> None:
        over_https = self.url.startswith(("http://", "https://"))
        if self.credentials is None:
            return
        if over_https and self.credentials.https is None:
            raise Misfit("credentials", "the url is https, so expected https {username, password}")
        if not over_https and self.credentials.ssh is None:
            raise Misfit("credentials", "the url is ssh, so expected ssh {privateKey, knownHosts}")
