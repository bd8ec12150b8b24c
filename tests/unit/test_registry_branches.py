from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dag_common.registry.branches import check_pattern, fits

SEGMENT = st.from_regex(r"\A[a-zA-Z0-9._+-]{1,12}\Z")


@pytest.mark.parametrize(
    ("pattern", "branch"),
    [
        ("main", "main"),
        ("release/*", "release/1.2"),
        ("release/*", "release/"),
        ("*", "main"),
        ("**", "feature/a/b"),
        ("feature/**", "feature/a/b"),
        ("v?", "v1"),
        ("v[0-9].*", "v1.2"),
        ("v[!0-9]", "vx"),
        ("*-stable", "13-0-stable"),
        ("a+b.c", "a+b.c"),
        ("a]b", "a]b"),
        ("feature--x*", "feature--xy"),
    ],
)
def test_a_pattern_fits(pattern: str, branch: str) -> None:
    check_pattern(pattern)
    assert fits(pattern, branch)


@pytest.mark.parametrize(
    ("pattern", "branch"),
    [
        ("main", "Main"),
        ("main", "main2"),
        ("main", "refs/heads/main"),
        ("release/*", "release/1.2/fix"),
        ("release/*", "xrelease/1"),
        ("release/*", "release"),
        ("*", "a/b"),
        ("v?", "v/"),
        ("a.c*", "abc"),
        ("v[!0-9]", "v/"),
        ("main*", "x\nmain"),
    ],
)
def test_a_pattern_does_not_fit(pattern: str, branch: str) -> None:
    check_pattern(pattern)
    assert not fits(pattern, branch)


@pytest.mark.parametrize(
    "pattern", ["", " main", "main\n", "refs/heads/main", "v[", "v[]", "v[z-a]", "v[a--b]", "v[a/b]", "v[[]"]
)
def test_a_pattern_that_means_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        check_pattern(pattern)


@given(SEGMENT, SEGMENT)
def test_a_star_takes_one_segment_and_two_stars_take_any(first: str, second: str) -> None:
    assert fits(f"{first}/*", f"{first}/{second}")
    assert not fits("*", f"{first}/{second}")
    assert fits("**", f"{first}/{second}")
    assert fits(f"**/{second}", f"{first}/{second}")


@given(SEGMENT)
def test_a_name_without_wildcards_fits_itself_only(name: str) -> None:
    assert fits(name, name)
    assert not fits(name, f"{name}x")
