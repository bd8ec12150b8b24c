"""The section `providers` of `dag.yaml`: who proves what a CI job says of itself."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import msgspec

from dag_common.registry.durations import Seconds
from dag_common.registry.entry import Entry, Misfit, check_web_url
from dag_common.registry.references import File


class ClaimNames(Entry, frozen=True, kw_only=True):
    """What an issuer without a kind of its own calls the facts; an empty name is a fact it does not tell.

    `repo`, `ref` and `run` are what a proof rests on. A `tag` claim that is not empty, or a `ref_type` claim other
    than branch, refuses: where `ref` is a short name, a tag's looks like a branch's. `repo_id` is what an app's
    `projectId` pins; without it, `repo` is. `attempt` is for issuers whose `run` stays the same when it runs again; if
    said, every token must tell it.
    """

    repo: str = "repository"
    repo_id: str = ""
    ref: str = "ref"
    sha: str = "sha"
    run: str = "run_id"
    attempt: str = ""
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
    required_claims: dict[str, str] = msgspec.field(default_factory=dict)
    one_time: bool = False
    claims: ClaimNames = ClaimNames()
    ca: File | None = None
    proxy: str = ""
    timeout: Seconds = Seconds(10)

    def __post_init__(self) -> None:
        check_web_url(self.url, "url")
        for field, url in (("proxy", self.proxy), ("issuer", self.issuer), ("jwksUrl", self.jwks_url)):
            if url:
                check_web_url(url, field)
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
