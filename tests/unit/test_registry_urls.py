from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dag_common.errors import Invalid
from dag_common.registry.repo_urls import normalise

HOSTS = st.from_regex(r"\A[a-zA-Z][a-zA-Z0-9-]{0,10}(\.[a-zA-Z]{2,5}){0,2}\Z")
PATHS = st.from_regex(r"\A[a-zA-Z0-9_.-]{1,8}(/[a-zA-Z0-9_.-]{1,8}){0,3}\Z").filter(
    lambda path: not path.endswith((".git", "/"))
)


@pytest.mark.parametrize(
    "spelling",
    [
        "https://git.example.com/acme/shop",
        "https://git.example.com/acme/shop/",
        "https://git.example.com/acme/shop//",
        "https://git.example.com/acme/shop.git",
        "https://git.example.com/acme/shop.git/",
        "  https://git.example.com/acme/shop\n",
        "HTTPS://Git.Example.COM/acme/shop",
        "https://git.example.com:443/acme/shop",
        "https://ci:glcbt-token@git.example.com/acme/shop.git",
        "git@git.example.com:acme/shop.git",
        "git@git.example.com:/acme/shop",
        "ssh://git@git.example.com/acme/shop.git",
        "ssh://git@git.example.com:2222/acme/shop.git",
        "git+ssh://git@git.example.com/acme/shop",
    ],
)
def test_every_spelling_of_a_repository_is_the_same(spelling: str) -> None:
    assert normalise(spelling) == "https://git.example.com/acme/shop"


@pytest.mark.parametrize(
    "other",
    [
        "https://git.example.com/acme/Shop",
        "http://git.example.com/acme/shop",
        "https://git.example.com:8443/acme/shop",
        "https://git.example.com/gitlab/acme/shop",
        "https://git.example.com.evil.org/acme/shop",
        "https://git.example.com@evil.org/acme/shop",
    ],
)
def test_another_repository_stays_another(other: str) -> None:
    assert normalise(other) != "https://git.example.com/acme/shop"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop",
        "/acme/shop",
        "https://",
        "https://git.example.com",
        "https://git.example.com/.git",
        "https://git.example.com:port/acme/shop",
        "https://git.example.com/acme/shop?private_token=planted",
        "https://git.example.com/acme/sh op?planted",
        "file:///etc/planted",
        "https://git.example.com/" + "planted" * 500,
        "https://[planted/acme",
        "gitlab-ci-token:planted@git.example.com/acme/shop.git",
        "gitlab-ci-token:planted@git.example.com:8443/acme/shop.git",
        "gitlab-ci-token:planted%40git.example.com/acme/shop.git",
        "git@gitlab-ci-token:planted@git.example.com/acme/shop.git",
        "https://https://gitlab-ci-token:planted@git.example.com/acme/shop.git",
        "https://gitlab-ci-token/planted@git.example.com/acme/shop.git",
        "https://ci:plan/ted@git.example.com/acme/shop",
    ],
)
def test_what_is_no_repository_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        normalise(text)
    assert "planted" not in str(caught.value)


@given(
    host=HOSTS,
    path=PATHS,
    form=st.sampled_from(["https://{}/{}", "http://{}:8080/{}.git", "git@{}:{}.git", "ssh://git@{}:22/{}/"]),
)
def test_normalising_twice_changes_nothing(host: str, path: str, form: str) -> None:
    once = normalise(form.format(host, path))
    assert normalise(once) == once


@given(st.text(max_size=60))
def test_any_text_is_refused_or_settles_at_once(text: str) -> None:
    for candidate in (text, f"https://{text}", f"git@{text}"):
        try:
            once = normalise(candidate)
        except Invalid:
            continue
        assert normalise(once) == once


@given(host=HOSTS, path=PATHS, secret=st.from_regex(r"\A[a-z0-9-]{12,20}\Z"))
def test_userinfo_never_survives(host: str, path: str, secret: str) -> None:
    assert normalise(f"https://oauth2:{secret}@{host}/{path}") == normalise(f"https://{host}/{path}")
    with pytest.raises(Invalid) as caught:
        normalise(f"oauth2:{secret}@{host}/{path}")
    assert secret not in str(caught.value)
