from __future__ import annotations

import difflib
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dag_common.charts.archive import Chart
from dag_common.charts.semver import loose, strict
from dag_common.charts.values import read_yaml
from dag_common.charts.version import chart_version, core, matches, stamp
from dag_common.errors import Invalid

QUICK = settings(max_examples=120, deadline=None)
SHA = "4d1c3a9be0f7c1d2e3f4a5b6c7d8e9f0a1b2c3d4"
# The expression semver.org recommends, as an oracle.
SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
    r"(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?",
    re.ASCII,
)


def chart(text: str | bytes = "apiVersion: v2\nname: podinfo\nversion: 0.1.0\n", **fields: str) -> Chart:
    content = text if isinstance(text, bytes) else text.encode()
    return Chart(
        fields.get("name", "podinfo"), fields.get("version", "0.1.0"), {"Chart.yaml": content, "values.yaml": b"a: 1\n"}
    )


def stamped(text: str | bytes, deployment_version: str = "2.0.0") -> str:
    return stamp(chart(text), deployment_version).files["Chart.yaml"].decode()


@pytest.mark.parametrize(
    ("deployment", "version"),
    [
        ("1.2.3", "1.2.3"),
        ("v1.2.3", "1.2.3"),
        ("1.2.3-rc.1", "1.2.3-rc.1"),
        ("4d1c3a9", "0.1.0-4d1c3a9"),
        (SHA, f"0.1.0-{SHA}"),
        ("main", "0.1.0-main"),
        ("1.2", "0.1.0-1.2"),
        ("20261123", "0.1.0-20261123"),
        ("2026.11.23.1", "0.1.0-2026.11.23.1"),
    ],
)
def test_a_version_that_needs_no_change_gets_none(deployment: str, version: str) -> None:
    assert chart_version(chart(), deployment) == version


@pytest.mark.parametrize(
    ("deployment", "version"),
    [
        ("1.2.3+7", "1.2.3-7.h"),
        ("1.2.3-rc.1+build.5", "1.2.3-rc.1.build.5.h"),
        ("v1.2.3+007", "1.2.3-x007.h"),
        ("feature/x", "0.1.0-feature-x.h"),
        ("0123456", "0.1.0-x0123456.h"),
        ("2026.01.02", "0.1.0-2026.x01.x02.h"),
        ("-a-..b_c-", "0.1.0-a.b-c.h"),
        ("V1.2.3 (größe)", "0.1.0-V1.2.3-gr-e.h"),
        ("配置", "0.1.0-h"),
    ],
)
def test_a_version_that_had_to_change_is_marked_with_its_hash(deployment: str, version: str) -> None:
    assert re.fullmatch(re.escape(version) + "[0-9a-f]{8}", chart_version(chart(), deployment))


def test_the_charts_own_numbers_are_padded_and_lose_the_rest() -> None:
    assert chart_version(chart(version="v1.2-rc.1+b"), "main") == "1.2.0-main"


def test_a_long_version_is_cut_so_that_name_and_version_fit_a_label() -> None:
    named = chart(name="customer-frontend-api")
    first, second = (chart_version(named, SHA + end) for end in ("", "0"))
    assert len(f"customer-frontend-api-{first}") <= 63
    assert first.startswith("0.1.0-4d1c3a9be0f7")
    assert first != second


def test_a_tag_of_64_bit_overflow_is_no_semver_to_helm() -> None:
    assert chart_version(chart(), "99999999999999999999.0.0") == "0.1.0-99999999999999999999.0.0"


@pytest.mark.parametrize("deployment", ["", "  ", "a\nb", "\x1b[31m", "a\u202eb", "x" * 256])
def test_a_version_nobody_can_read_is_refused(deployment: str) -> None:
    with pytest.raises(Invalid, match="The deployment version"):
        stamp(chart(), deployment)


def test_build_metadata_never_tells_two_observed_versions_apart() -> None:
    assert matches("1.2.3+4d1c3a9be0f7.4", "1.2.3")
    assert matches("1.2.0", "v1.2")
    assert matches("garbage", "garbage")
    assert not matches("1.2.4", "1.2.3")
    assert not matches("1.2.3-rc.1", "1.2.3")
    assert not matches("", "1.2.3")
    assert core("v1.2+b") == "1.2.0"
    with pytest.raises(Invalid, match="not a version"):
        core("latest")


BEFORE = """\
# The chart, é 😀
apiVersion: v2
name:    podinfo
description: "version: 9.9.9"   # not this one
version:   0.1.0   # bumped by hand
dependencies:
  - name: redis
    version:   17.x.x
    repository: "https://charts.example.com"

appVersion: 1.0   # keep

annotations: {version: "5"}
"""


def test_only_the_two_lines_differ() -> None:
    diff = [
        line for line in difflib.ndiff(BEFORE.splitlines(), stamped(BEFORE, "1.10").splitlines()) if line[0] in "+-"
    ]
    assert diff == [
        "- version:   0.1.0   # bumped by hand",
        "+ version:   0.1.0-1.10   # bumped by hand",
        "- appVersion: 1.0   # keep",
        '+ appVersion: "1.10"   # keep',
    ]


def test_the_other_files_are_the_same_bytes() -> None:
    done = stamp(chart(), "2.0.0")
    assert (done.name, done.chart_version, done.files["values.yaml"]) == ("podinfo", "2.0.0", b"a: 1\n")


HEAD = "apiVersion: v2\nname: podinfo\n"
NEW = 'version: 2.0.0\nappVersion: "2.0.0"\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (HEAD + "version: 0.1.0\n", HEAD + NEW),
        (HEAD + "version: 0.1.0", HEAD + NEW[:-1]),
        (HEAD + "version: 0.1.0 # c\nhome: x\n", HEAD + 'version: 2.0.0 # c\nappVersion: "2.0.0"\nhome: x\n'),
        ("version: '0.1.0'\nappVersion: 'x'\n" + HEAD, "version: '2.0.0'\nappVersion: '2.0.0'\n" + HEAD),
        ('"version": "0.1.0"\n"appVersion": x\n' + HEAD, '"version": "2.0.0"\n"appVersion": "2.0.0"\n' + HEAD),
        ("appVersion:\nversion:\n  0.1.0\n" + HEAD, 'appVersion: "2.0.0"\nversion:\n  2.0.0\n' + HEAD),
        ("appVersion:   # c\nversion: 0.1.0\n" + HEAD, 'appVersion: "2.0.0"   # c\nversion: 2.0.0\n' + HEAD),
        ("version: |-\n  0.1.0\nappVersion: >\n  a\n  b\n\n# c\n" + HEAD, NEW + "\n# c\n" + HEAD),
        ("%YAML 1.1\n--- # c\n" + HEAD + "version: 0.1.0\n...\n", "%YAML 1.1\n--- # c\n" + HEAD + NEW + "...\n"),
        (HEAD + "version: 0.1.0\n---\nversion: 3\n", HEAD + NEW + "---\nversion: 3\n"),
        (
            "  apiVersion: v2\n  name: a\n  version: 0.1.0",
            '  apiVersion: v2\n  name: a\n  version: 2.0.0\n  appVersion: "2.0.0"',
        ),
        (
            '{"apiVersion":"v2","name":"a","version":"1"}',
            '{"apiVersion":"v2","name":"a","version":"2.0.0", appVersion: "2.0.0"}',
        ),
        (
            "{apiVersion: v2, name: a, version: 1, appVersion: }",
            '{apiVersion: v2, name: a, version: 2.0.0, appVersion: "2.0.0"}',
        ),
        (
            "{<<: {apiVersion: v2, version: 1}, name: a}",
            '{version: 2.0.0, appVersion: "2.0.0", <<: {apiVersion: v2, version: 1}, name: a}',
        ),
        (
            "!!map\n? name\n: a\n<<: {apiVersion: v2, version: 1}\n",
            "!!map\n" + NEW + "? name\n: a\n<<: {apiVersion: v2, version: 1}\n",
        ),
        ("home: &m {version: 0.1.0}\n<<: *m\n" + HEAD, NEW + "home: &m {version: 0.1.0}\n<<: *m\n" + HEAD),
        ("? version\n: 0.1.0\n" + HEAD, '? version\n: 2.0.0\nappVersion: "2.0.0"\n' + HEAD),
        (HEAD + "version: 0.0.1\nversion: 0.1.0\nappVersion: a\n", HEAD + "version: 2.0.0\n" + NEW),
        (HEAD + "version: &v 0.1.0\nappVersion: *v\n", HEAD + NEW),
        (HEAD + "appVersion: &v !!str 0.1\nversion: *v\n", HEAD + 'appVersion: "2.0.0"\nversion: 2.0.0\n'),
        (HEAD + "version: &v 0.1.0\nappVersion: a\nkeywords: [*v, *v]\n", HEAD + NEW + "keywords: [&v 0.1.0, *v]\n"),
        (HEAD + "version: &v |-\n  0.1.0\nappVersion: x\nhome: *v\n", HEAD + NEW + "home: &v |-\n  0.1.0\n"),
        ("\ufeff# c\n" + HEAD + "version: 0.1.0\n", "\ufeff# c\n" + HEAD + NEW),
    ],
)
def test_odd_but_valid_files_keep_every_other_byte(before: str, after: str) -> None:
    assert stamped(before) == after
    assert stamped(before.replace("\n", "\r\n")) == after.replace("\n", "\r\n")


@pytest.mark.parametrize(
    "text",
    [
        "&k version: 0.1.0\n*k : 0.2.0\n" + HEAD,
        "version: &v |-\n  0.1.0\nkeywords: [*v]\n" + HEAD,
    ],
)
def test_a_file_that_cannot_be_edited_in_place_is_refused_and_not_mangled(text: str) -> None:
    with pytest.raises(Invalid, match="Write both as plain lines"):
        stamp(chart(text), "2.0.0")


@pytest.mark.parametrize("version", ["a\"b\\c'd", "größe 😀", "#x", "1.10", "yes", "*a", "{a}"])
@pytest.mark.parametrize("written", ["appVersion: x\n", "appVersion: 'x'\n", ""])
def test_app_version_is_always_the_deployment_version_as_text(version: str, written: str) -> None:
    assert read_yaml(stamped(HEAD + "version: 0.1.0\n" + written, version).encode())["appVersion"] == version


PRINTABLE = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=60).filter(str.isprintable)
LIKELY = st.from_regex(r"(?a)\A[0-9a-zA-Z._/+-]{1,70}\Z")
TAGS = st.from_regex(r"(?a)\Av?[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(-[0-9a-z.-]{1,30})?(\+[0-9a-z.-]{1,30})?\Z")
DEPLOYMENTS = st.one_of(PRINTABLE, LIKELY, TAGS)
NAMES = st.from_regex(r"(?a)\A[a-z][a-z0-9-]{0,30}\Z")
OWN = st.sampled_from(["0.1.0", "v1", "1.2-rc.1", "10.20.30+b", "01.2.3"])


@given(NAMES, OWN, DEPLOYMENTS)
@QUICK
def test_every_chart_version_is_semver_without_build_and_fits_a_label(name: str, own: str, deployment: str) -> None:
    made = chart_version(chart(name=name, version=own), deployment)
    assert SEMVER.fullmatch(made)
    assert "+" not in made
    assert matches(f"{made}+4d1c3a9be0f7.3", made)
    assert len(made) <= 63
    given = strict(deployment.removeprefix("v"))
    if given is None or given.build:
        assert len(f"{name}-{made}") <= 63
        assert made[-1].isalnum()


@given(DEPLOYMENTS, DEPLOYMENTS)
@QUICK
def test_two_deployment_versions_make_two_chart_versions(one: str, other: str) -> None:
    assume(one.removeprefix("v") != other.removeprefix("v"))
    assume((strict(one.removeprefix("v")) is None) == (strict(other.removeprefix("v")) is None))
    assert chart_version(chart(), one) != chart_version(chart(), other)


@given(TAGS | LIKELY)
@QUICK
def test_strict_versions_are_those_of_semver_org(text: str) -> None:
    assert (strict(text) is not None) == (SEMVER.fullmatch(text) is not None)
    if strict(text):
        assert loose(text) == strict(text)


def order(version: str) -> list[tuple[int, int, str]]:
    """A pre-release's place in SemVer 2's order (semver.org, 11.4)."""
    identifiers = version.partition("-")[2].split(".")
    return [(0, int(one), "") if one.isdigit() else (1, 0, one) for one in identifiers]


def test_what_stands_before_the_serial_is_cut_so_that_the_label_keeps_the_serial() -> None:
    made = chart_version(chart(name="n" * 20), SHA, serial=107)
    assert len(f"{'n' * 20}-{made}") <= 63
    assert re.fullmatch(r"0\.1\.0-[0-9a-f]+\.h[0-9a-f]{8}\.dag\.107", made)


SHORT_NAMES = st.from_regex(r"(?a)\A[a-z][a-z0-9-]{0,19}\Z")
SERIALS = st.integers(1, 10**9)


@pytest.mark.parametrize(
    ("deployment", "version"),
    [
        ("1.2.3", "1.2.3-dag.107"),
        ("v1.2.3-rc.1", "1.2.3-rc.1.dag.107"),
        ("main", "0.1.0-main.dag.107"),
        (SHA, f"0.1.0-{SHA}.dag.107"),
    ],
)
def test_a_version_of_its_own_ends_in_the_deployments_serial(deployment: str, version: str) -> None:
    assert chart_version(chart(), deployment, serial=107) == version


@given(SHORT_NAMES, OWN, DEPLOYMENTS, SERIALS)
@QUICK
def test_a_version_of_its_own_is_semver_that_flux_keeps_and_a_label_holds(
    name: str, own: str, deployment: str, serial: int
) -> None:
    made = chart_version(chart(name=name, version=own), deployment, serial=serial)
    assert SEMVER.fullmatch(made)
    assert "+" not in made
    assert len(f"{name}-{made}") <= 63
    assert made.endswith(f".{serial}")
    assert stamp(chart(name=name, version=own), deployment, serial=serial).chart_version == made


@given(DEPLOYMENTS, DEPLOYMENTS, SERIALS, SERIALS)
@QUICK
def test_two_deployments_never_share_a_version_of_their_own(one: str, other: str, first: int, second: int) -> None:
    assume(first != second)
    assert chart_version(chart(), one, serial=first) != chart_version(chart(), other, serial=second)


@given(DEPLOYMENTS, st.sets(st.integers(10**6, 10**7 - 1), min_size=2, max_size=2))
@QUICK
def test_a_later_deployment_of_the_same_version_compares_higher(deployment: str, serials: set[int]) -> None:
    earlier, later = (chart_version(chart(), deployment, serial=serial) for serial in sorted(serials))
    assert order(earlier) < order(later)


def test_a_later_deployment_compares_higher_also_if_its_serial_has_more_digits() -> None:
    earlier, later = (chart_version(chart(), "1.2.3", serial=serial) for serial in (99, 100))
    assert order(earlier) < order(later)


LINES = st.lists(
    st.sampled_from(
        [
            "# version: 9\n",
            "\n",
            "home: x # appVersion: y\n",
            "maintainers:\n- name: é😀\n  version: 3\n",
            "description: |\n  version: 8\n\n",
            "annotations: {appVersion: '7'}\n",
            "keywords: ['version: 6', b]\n",
            "icon: >-\n  appVersion: 5\n",
        ]
    ),
    max_size=6,
    unique=True,
)
VERSIONS = st.sampled_from(
    ["version: 0.1.0\n", "version:   '0.1.0' # c\n", '"version" : "0.1.0"\n', "version: >-\n   0.1.0\n"]
)
APP_VERSIONS = st.sampled_from(
    ["", "appVersion: 1.0 # c\n", "appVersion:\n", "'appVersion': \"a\\\n  b\"\n", "appVersion: ~\n"]
)
BLOCKS = st.builds(lambda lines, *wanted: [*lines, *wanted, HEAD], LINES, VERSIONS, APP_VERSIONS).flatmap(
    st.permutations
)


@given(BLOCKS, st.sampled_from(["\n", "\r\n", "\r"]), DEPLOYMENTS)
@QUICK
def test_stamping_changes_two_values_and_no_other_line(blocks: list[str], newline: str, deployment: str) -> None:
    before = "".join(blocks).replace("\n", newline).encode()
    done = stamp(chart(before), deployment)
    after = done.files["Chart.yaml"]
    assert read_yaml(after) == read_yaml(before) | {"version": done.chart_version, "appVersion": deployment}
    for block in blocks:
        if not block.strip("'\"").startswith(("version", "appVersion")):
            assert block.replace("\n", newline).encode() in after
    assert stamp(chart(after), deployment).files["Chart.yaml"] == after
