from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dag_common.registry.durations import Seconds
from dag_common.registry.loading import SourceFile, load
from dag_common.registry.registry import Registry

ROOT = Path(__file__).parents[2]

WHOLE = """
providers:
  gitlab: {kind: gitlab, url: "https://gitlab.example.com"}
iac:
  infra: {url: "https://git.example.com/infra.git"}
clusters:
  here: {inCluster: true}
apps:
  - name: fine
    repoUrl: https://gitlab.example.com/acme/fine
    provider: gitlab
    environments: [{name: p, branch: main, iac: {repository: infra, path: fine}, targets: [{kind: none}]}]
"""


def _read(*texts: str) -> Registry:
    names = [f"{letter}.yaml" for letter in "abcdef"] if len(texts) > 1 else ["dag.yaml"]
    return load(
        [SourceFile(name, textwrap.dedent(text).encode(), Path()) for name, text in zip(names, texts, strict=False)]
    )


def _told(*texts: str) -> list[str]:
    return [str(problem) for problem in _read(*texts).problems]


def test_the_commented_example_is_whole() -> None:
    example = ROOT / "deploy/examples/dag.yaml"
    registry = load([SourceFile(example.name, example.read_bytes(), example.parent)])
    assert registry.problems == ()
    assert [app.name for app in registry.apps] == ["docs", "shop"]


BROKEN = """\
providers:
  gitlab: {kind: gitlb, url: 'https://ci:planted@gitlab.example.com', timout: 3}
  fine: {kind: gitlab, url: https://gitlab.example.com}
iac:
  prod: {url: https://git.example.com/x.git, credentials: {https: {username: dag, password: planted}}}
  ok: {url: https://git.example.com/x.git}
  ok: {url: https://git.example.com/y.git}
  both: {url: "git@git.example.com:x.git", credentials: {https: {username: dag, password: {env: X}}}}
clusters:
  here: {inCluster: true, server: https://k8s.example.com}
  there: {inCluster: true}
apps:
  - name: first
    repoUrl: https://gitlab.example.com/acme/first
    provider: finw
    environments:
      - {name: p, branch: 1.0, iac: {repository: prdo, path: x}, targets: []}
      - name: p
        branch: main
        iac: {repository: prod, path: x}
        targets: [{kind: flux, cluster: dev, namespace: x, name: y, timeout: 10x}]
  - name: second
    repoUrl: gitlab.example.com/acme/second
    provider: fine
    environments:
      - name: q
        branch: main
        branch: develop
        iac: {repository: ok, path: y}
        targets: [{kind: fluxx, cluster: here, namespace: x, name: y}]
  - 7
  - name: third
    repoUrl: https://gitlab.example.com/acme/third.git
    provider: fine
    environments:
      - {name: p, branch: main, iac: {repository: ok, path: z}, targets: [{kind: flux, cluster: there}]}
  - name: fine
    repoUrl: https://gitlab.example.com/acme/fine
    provider: fine
    environments: [{name: p, branch: main, iac: {repository: ok, path: f}, targets: [{kind: none}]}]
"""


TOLD = """\
dag.yaml:2: providers.gitlab.timout: no such field; did you mean "timeout"?
dag.yaml:2: providers.gitlab.kind: expected one of github, gitlab, oidc, found another word; did you mean "gitlab"?
dag.yaml:5: iac.prod.credentials.https.password: expected a reference {env: NAME} or {file: PATH}, found text
dag.yaml:7: iac.ok: stands twice, first on line 6
dag.yaml:8: iac.both.credentials: the url is ssh, so expected ssh {privateKey, knownHosts}
dag.yaml:10: clusters.here: expected exactly one of kubeconfig {file, context}, server (with ca, token), inCluster: true
dag.yaml:15: apps[0].provider: no provider is named "finw" under providers; did you mean "fine"?
dag.yaml:17: apps[0].environments[0].branch: expected text, found a number (put it in quotes)
dag.yaml:17: apps[0].environments[0].iac.repository: no IaC repository is named "prdo" under iac; did you mean "prod"?
dag.yaml:18: apps[0].environments[1].name: the environment p of this app stands at dag.yaml:17 already
dag.yaml:20: apps[0].environments[1].iac.repository: the IaC repository "prod" has problems of its own
dag.yaml:21: apps[0].environments[1].targets[0].timeout: expected a duration such as "10m", "1h30m" or \
a whole number of seconds
dag.yaml:21: apps[0].environments[1].targets[0].cluster: no cluster is named "dev" under clusters; \
known are here, there
dag.yaml:28: apps[1].environments[0].branch: stands twice, first on line 27
dag.yaml:30: apps[1].environments[0].targets[0].kind: expected one of argocd, flux, helm, none, workload, \
found another word; did you mean "flux"?
dag.yaml:30: apps[1].environments[0].targets[0].cluster: the cluster "here" has problems of its own
dag.yaml:31: apps[2]: expected a mapping with name, repoUrl, provider, environments, projectId, found a whole number
dag.yaml:36: apps[3].environments[0].targets[0]: kind flux needs namespace, name
"""


def test_every_problem_is_told_with_its_place_and_what_was_expected() -> None:
    registry = _read(BROKEN)
    assert [str(problem) for problem in registry.problems] == TOLD.splitlines()
    assert [app.name for app in registry.apps] == ["fine"]
    assert not any(problem.fatal for problem in registry.problems)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "dag.yaml: the file is empty"),
        ("# nothing\n", "dag.yaml: the file is empty"),
        ("- a\n", "dag.yaml:1: expected a mapping with providers, iac, clusters and apps"),
        ("apps: [\n", "dag.yaml:2: not valid YAML: "),
        ("apps: []\n---\napps: []\n", "dag.yaml:2: not valid YAML: "),
        ("app: []\n", 'dag.yaml:1: app: no such section; did you mean "apps"?'),
        ("apps: {a: 1}\n", "dag.yaml:1: apps: expected a list of apps"),
        ("providers: []\n", "dag.yaml:1: providers: expected a mapping from a provider's name to its entry"),
        ("a: !!python/object/apply:os.system [echo]\n", "dag.yaml:1: "),
        ("a: !secret x\n", "dag.yaml:1: a value with a tag that is not plain YAML"),
        ("a: 2024-13-45\n", "dag.yaml:1: a value with a tag that is not plain YAML"),
        ("a: \0\n", "dag.yaml: not valid YAML: it holds a character that YAML does not allow"),
        ("<<: 7\n", "dag.yaml:1: expected a mapping, or a list of mappings, after <<"),
        ("a: " + "[" * 40 + "]" * 40, "dag.yaml:1: nested deeper than 32 levels"),
        ("a: " + "[" * 200_000, "dag.yaml:1: nested deeper than 32 levels"),
        ("- " * 200_000, "dag.yaml:1: nested deeper than 32 levels"),
        ("a: &a [b]\nc: [*a, *d]\n", "dag.yaml:2: not valid YAML: "),
    ],
    ids=str,
)
def test_a_document_that_cannot_be_read_as_a_whole_is_told_as_one(text: str, told: str) -> None:
    (problem, *_) = _read(text).problems
    assert problem.fatal
    assert str(problem).startswith(told)


def test_a_way_to_stamp_versions_that_does_not_exist_is_refused() -> None:
    (problem,) = _read(WHOLE.replace("branch: main,", "branch: main, chartVersion: keep,")).problems
    assert "apps[0].environments[0].chartVersion: expected one of stamp, unique, found" in str(problem)
    (app,) = _read(WHOLE.replace("branch: main,", "branch: main, chartVersion: unique,")).apps
    assert [environment.unique_version for environment in app.environments] == [True]


def test_text_that_is_no_utf8_is_told() -> None:
    (problem,) = load([SourceFile("dag.yaml", b"apps: \xff", Path())]).problems
    assert str(problem) == "dag.yaml: expected UTF-8 text"


def test_an_alias_bomb_is_refused_by_what_it_would_become() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (problem, *_) = _read("\n".join(lines)).problems
    assert problem.fatal
    assert "more than 1000000 values, aliases followed" in str(problem)


def test_anchors_and_merges_share_what_apps_have_in_common() -> None:
    registry = _read(
        """
        providers: {gitlab: {kind: gitlab, url: "https://gitlab.example.com"}}
        iac: {infra: {url: "https://git.example.com/infra.git"}}
        clusters: {here: {inCluster: true}}
        apps:
          - name: one
            repoUrl: https://gitlab.example.com/acme/one
            provider: gitlab
            environments:
              - &usual
                name: p
                branch: main
                iac: {repository: infra, path: one}
                targets: [{kind: none}]
          - name: two
            repoUrl: https://gitlab.example.com/acme/two
            provider: gitlab
            environments: [{<<: *usual, iac: {repository: infra, path: two}}]
        """
    )
    assert registry.problems == ()
    assert registry.apps[1].environments[0].branch == "main"
    assert registry.apps[1].environments[0].iac.path == "two"


APP = """
apps:
  - name: {name}
    repoUrl: {url}
    provider: gitlab
    environments:
      - {{name: p, branch: main, iac: {{repository: infra, path: {path}}}, targets: [{{kind: none}}]}}
"""


def test_files_of_a_directory_are_one_registry() -> None:
    registry = _read(WHOLE, APP.format(name="more", url="https://gitlab.example.com/acme/more", path="more"))
    assert registry.problems == ()
    assert [app.name for app in registry.apps] == ["fine", "more"]


@pytest.mark.parametrize(
    ("app", "told"),
    [
        (
            {"name": "fine", "url": "https://gitlab.example.com/acme/other", "path": "other"},
            "b.yaml:3: apps[0]: the app fine stands at a.yaml:9 already",
        ),
        (
            {"name": "other", "url": "git@gitlab.example.com:acme/fine.git", "path": "other"},
            (
                "b.yaml:4: apps[0].repoUrl: the app with the repository https://gitlab.example.com/acme/fine stands at"
                " a.yaml:10 already"
            ),
        ),
        (
            {"name": "other", "url": "https://gitlab.example.com/acme/other", "path": "./fine/"},
            "b.yaml:7: apps[0].environments[0].iac.path: the app fine deploys to fine in infra already",
        ),
        (
            {"name": "other", "url": "https://gitlab.example.com/acme/other", "path": "fine/charts/other"},
            "b.yaml:7: apps[0].environments[0].iac.path: lies inside fine, which the app fine replaces as a whole",
        ),
    ],
)
def test_of_two_that_claim_the_same_the_first_stays(app: dict[str, str], told: str) -> None:
    registry = _read(WHOLE, APP.format(**app))
    assert [str(problem) for problem in registry.problems] == [told]
    assert [each.name for each in registry.apps] == ["fine"]


def test_a_directory_above_another_charts_is_refused() -> None:
    inner = APP.format(name="inner", url="https://gitlab.example.com/acme/inner", path="team/inner")
    outer = APP.format(name="outer", url="https://gitlab.example.com/acme/outer", path="team")
    (told,) = _told(WHOLE, inner, outer)
    place = "c.yaml:7: apps[0].environments[0].iac.path"
    assert told == f"{place}: a chart of the app inner lies inside team, which is replaced as a whole"


def test_the_digest_is_of_what_is_in_effect() -> None:
    digest = _read(WHOLE).digest
    assert len(digest) == 64
    assert _read("# a comment\n" + WHOLE).digest == digest
    assert _read(WHOLE, "apps: [{name: broken}]").digest == digest
    assert _read(WHOLE.replace("path: fine", "path: elsewhere")).digest != digest
    assert _read(WHOLE.replace("infra.git", "other.git")).digest != digest


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    told = _told(
        """
        providers: {gitlab: {kind: gitlab, url: "https://ci:planted@gitlab.example.com"}}
        iac: {infra: {url: "https://ci:planted@git.example.com/infra.git"}}
        clusters: {there: {server: "https://ci:planted@k8s.example.com"}}
        apps:
          - name: a
            repoUrl: https://ci:planted@gitlab.example.com/acme/a
            provider: gitlab
            environments: [{name: p, branch: main, iac: {repository: infra, path: a}, targets: [{kind: none}]}]
        """
    )
    assert sum("expected no user name or password in the URL" in line for line in told) == 4
    assert "planted" not in "\n".join(told)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(90, 90), ("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1d", 86400), (" 2h ", 7200)],
)
def test_a_duration_is_read_as_people_write_it(written: object, seconds: int) -> None:
    assert Seconds.parse(written) == seconds


@pytest.mark.parametrize("written", [0, -1, "", "m", "10x", "1m1h", True, 1.5, None, "31d", "9" * 400])
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        Seconds.parse(written)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "environments", "iac", "targets", "kind", "env", "url"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["providers", "iac", "clusters", "apps"]), JSON, max_size=4))
def test_any_content_is_taken_or_told_never_a_crash(content: dict[str, object]) -> None:
    registry = load([SourceFile("dag.yaml", json.dumps(content).encode(), Path())])
    assert registry.apps == ()
