"""What `dag.yaml` holds, as plain values. Field names in the file are camelCase."""

from __future__ import annotations

import re
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from dag_common.registry.branches import check_pattern, fits
from dag_common.registry.durations import Seconds
from dag_common.registry.references import File, FilePath, Secret
from dag_common.registry.repo_urls import normalise

NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_SCP_LIKE = re.compile(r"[^@/:\s]+@[^@/:\s]+:[^\s:]+")
_KUBERNETES_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_WORKLOAD = re.compile(r"(?:(?:deployment|statefulset|daemonset|job)/)?[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


class Misfit(ValueError):
    """A field's value that does not fit: `field` is its name in the file, the text says what was expected."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(expected)
        self.field = field


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """An entry of the registry: unknown fields are refused, so a typo never weakens a rule silently."""


class ClaimNames(Entry, frozen=True, kw_only=True):
    """What an issuer without a kind of its own calls the facts; an empty name is a fact it does not tell.

    `repo`, `ref` and `run` are what a proof rests on. A `tag` claim that is not empty, or a `ref_type` claim other
    than branch, refuses: where `ref` is a short name, a tag's looks like a branch's. `repo_id` is what an app's
    `projectId` pins; without it, `repo` is.
    """

    repo: str = "repository"
    repo_id: str = ""
    ref: str = "ref"
    sha: str = "sha"
    run: str = "run_id"
    ref_type: str = ""
    tag: str = ""
    protected: str = ""
    source: str = ""
    actor: str = ""


class Provider(Entry, frozen=True, kw_only=True):
    """A CI provider that proves jobs.

    `url` is its base with port and sub-path; `audience` is what OIDC tokens must be meant for. `timeout` bounds one
    question as a whole; `proxy` is the only proxy used (the process's environment is not asked). `issuer` and
    `jwks_url` are said where they do not follow from kind and url; `claims` is for kind oidc. With `one_time`
    a token counts for one deployment only. With it or `required_claims` a GitLab's ID tokens are taken and its job
    tokens, which have no claims, are not.
    """

    kind: Literal["gitlab", "github", "oidc"]
    url: str
    issuer: str = ""
    audience: str = ""
    algorithm: Literal["RS256", "ES256"] = "RS256"
    jwks_url: str = ""
    required_claims: dict[str, str] = {}
    one_time: bool = False
    claims: ClaimNames = ClaimNames()
    ca: File | None = None
    proxy: str = ""
    timeout: Seconds = Seconds(10)

    def __post_init__(self) -> None:
        _check_web_url(self.url, "url")
        for field, url in (("proxy", self.proxy), ("issuer", self.issuer), ("jwksUrl", self.jwks_url)):
            if url:
                _check_web_url(url, field)
        self._check_tokens()

    def _check_tokens(self) -> None:
        if self.kind != "gitlab" and not self.audience:
            raise Misfit("audience", f"kind {self.kind} needs the audience that tokens for DAG are asked for with")
        if self.required_claims and not self.audience:
            raise Misfit("requiredClaims", "only ID tokens have claims, so expected an audience too")
        if self.one_time and not self.audience:
            raise Misfit("oneTime", "only ID tokens can be told apart (jti), so expected an audience too")
        if self.kind != "oidc" and self.claims != ClaimNames():
            raise Misfit("claims", f"belongs to kind oidc: what kind {self.kind} calls its claims is known")

    @property
    def token_issuer(self) -> str:
        """The `iss` of its ID tokens, to the letter.

        Unless said: GitLab's is its URL; GitHub's are github.com's, a data residency's and a server's (GitHub,
        `content/actions/reference/security/oidc.md`); any other's is its url as written.
        """
        base = self.url.rstrip("/")
        if self.issuer or self.kind == "oidc":
            return self.issuer or self.url
        return base if self.kind == "gitlab" else _github_issuer(base)

    @property
    def keys_url(self) -> str:
        """Where its keys are published; empty: its discovery document tells.

        GitLab, `config/routes.rb`, serves them below its URL; GitHub below its issuer.
        """
        if self.jwks_url or self.kind == "oidc":
            return self.jwks_url
        if self.kind == "gitlab":
            return f"{self.url.rstrip('/')}/oauth/discovery/keys"
        return f"{self.token_issuer.rstrip('/')}/.well-known/jwks"


def _github_issuer(base: str) -> str:
    host = urlsplit(base).hostname or ""
    if host == "github.com":
        return "https://token.actions.githubusercontent.com"
    return f"https://token.actions.{host}" if host.endswith(".ghe.com") else f"{base}/_services/token"


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
            _check_web_url(self.url, "url")
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


class Kubeconfig(Entry, frozen=True, kw_only=True):
    """A kubeconfig file and the context to take from it (none: its current one)."""

    file: FilePath
    context: str | None = None


class Cluster(Entry, frozen=True, kw_only=True):
    """How to reach a cluster's API: a kubeconfig, a server with a token, or the pod's own service account.

    `kick` False forbids telling its reconcilers of a push (one annotation; otherwise DAG only reads); `logs` False
    forbids quoting what containers wrote in the message of a failed rollout.
    """

    kubeconfig: Kubeconfig | None = None
    server: str | None = None
    ca: File | None = None
    token: Secret | None = None
    in_cluster: bool = False
    kick: bool = True
    logs: bool = True

    def __post_init__(self) -> None:
        ways = [self.kubeconfig is not None, self.server is not None, self.in_cluster]
        if ways.count(True) != 1:
            raise ValueError(
                "expected exactly one of kubeconfig {file, context}, server (with ca, token), inCluster: true"
            )
        if self.server is not None:
            _check_web_url(self.server, "server")
        elif self.ca is not None or self.token is not None:
            raise ValueError("ca and token belong to server")


class IacPlace(Entry, frozen=True, kw_only=True):
    """Where an environment's chart lives: the repository's name in `iac`, and the directory as written.

    The directory is checked when it is used (`dag_common.registry.iac_path`), not when it is loaded.
    """

    repository: str
    path: str


class Target(Entry, frozen=True, kw_only=True):
    """One thing to watch after the push. `none` watches nothing; every other kind names its object.

    `timeout` counts from the push; `fail_after` is how many failed attempts of our chart make a verdict
    (0 waits for the timeout).
    """

    kind: Literal["flux", "argocd", "helm", "workload", "none"]
    cluster: str | None = None
    namespace: str | None = None
    name: str | None = None
    timeout: Seconds = Seconds(600)
    fail_after: int = 1

    def __post_init__(self) -> None:
        named = {"cluster": self.cluster, "namespace": self.namespace, "name": self.name}
        if self.kind == "none":
            if any(value is not None for value in named.values()):
                raise ValueError("kind none watches nothing: leave out cluster, namespace and name")
            return
        missing = [field for field, value in named.items() if not value]
        if missing:
            raise ValueError(f"kind {self.kind} needs {', '.join(missing)}")
        if not _KUBERNETES_NAME.fullmatch(self.namespace or ""):
            raise Misfit("namespace", "expected the name of a Kubernetes namespace")
        if not (_WORKLOAD if self.kind == "workload" else _KUBERNETES_NAME).fullmatch(self.name or ""):
            raise Misfit("name", "expected the name of a Kubernetes object")
        if self.fail_after < 0:
            raise Misfit("failAfter", "expected 0 or more")


class Environment(Entry, frozen=True, kw_only=True):
    """Where an app's chart goes for one branch or for all branches that fit a glob, and who may send it there.

    `sources` are the provider's pipeline sources or events that may deploy (none given: the provider's safe ones);
    `require_protected` asks for proof that the branch is protected. `chart_version` says which version is written to
    Chart.yaml: `stamp` the deployment's, `unique` the deployment's with a number that no other deployment has.
    """

    name: str
    branch: str
    iac: IacPlace
    targets: tuple[Target, ...]
    require_protected: bool = False
    sources: tuple[str, ...] | None = None
    supersede: bool = False
    chart_version: Literal["stamp", "unique"] = "stamp"

    def __post_init__(self) -> None:
        _check_name(self.name)
        try:
            check_pattern(self.branch)
        except ValueError as exc:
            raise Misfit("branch", str(exc)) from exc
        kinds = [target.kind for target in self.targets]
        if not kinds or ("none" in kinds and len(kinds) > 1):
            raise Misfit("targets", "expected what to watch, or [{kind: none}] alone to watch nothing")
        if len(set(self.targets)) != len(kinds):
            raise Misfit("targets", "the same target stands there twice")

    @property
    def unique_version(self) -> bool:
        """Whether each deployment's chart carries a version of its own."""
        return self.chart_version == "unique"

    def takes(self, branch: str) -> bool:
        """Whether this branch deploys here."""
        return fits(self.branch, branch)


class App(Entry, frozen=True, kw_only=True):
    """A CI project that may deploy. `project_id` pins it by the provider's own id, which survives renames."""

    name: str
    repo_url: str
    provider: str
    environments: tuple[Environment, ...]
    project_id: int | str | None = None

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.repo_url.startswith(("http://", "https://")):
            _check_web_url(self.repo_url, "repoUrl")
        if not self.environments:
            raise Misfit("environments", "expected at least one")

    @property
    def url(self) -> str:
        """The repository's URL in its normalised spelling. Raises `Invalid` if it is none."""
        return normalise(self.repo_url)


SECTIONS: Final[dict[str, type[Entry]]] = {
    "providers": Provider,
    "iac": IacRepository,
    "clusters": Cluster,
    "apps": App,
}
"""The top level of a document: `apps` is a list, the others are mappings from a name to an entry."""


def plain(value: Any) -> Any:
    """Values of our own types as JSON types; for encoders."""
    if isinstance(value, FilePath):
        return value.written
    if isinstance(value, Seconds):
        return int(value)
    raise NotImplementedError(type(value))


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise Misfit("name", "expected letters, digits, dots, dashes and underscores, at most 64")


def _check_web_url(url: str, field: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise Misfit(field, "expected an http or https URL")
    if "@" in parts.netloc:
        raise Misfit(field, "expected no user name or password in the URL: credentials are given by reference")
