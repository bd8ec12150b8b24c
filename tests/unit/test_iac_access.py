"""Addresses and credentials: what is shown, and what never is."""

from __future__ import annotations

import pytest
from pygit2.enums import CredentialType

from dag_common.errors import Unavailable
from dag_common.iac.access import Access, Bearer, Password, SshKey, commit_url, public_url
from dag_common.iac.callbacks import Callbacks


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://git.example.com/iac.git", "https://git.example.com/iac.git"),
        ("https://user:planted@git.example.com:8443/iac", "https://git.example.com:8443/iac"),
        ("https://planted@git.example.com/iac", "https://git.example.com/iac"),
        ("ssh://git:planted@git.example.com:2222/iac", "ssh://git@git.example.com:2222/iac"),
        ("git@git.example.com:team/iac.git", "git@git.example.com:team/iac.git"),
        ("file:///srv/iac", "file:///srv/iac"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert public_url(url) == shown


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://gitlab.com/team/iac.git", "https://gitlab.com/team/iac/-/commit/abc"),
        ("https://gitlab.example.com/sub/team/iac/", "https://gitlab.example.com/sub/team/iac/-/commit/abc"),
        ("https://github.com/team/iac", "https://github.com/team/iac/commit/abc"),
        ("https://user:planted@git.example.com/iac.git", "https://git.example.com/iac/commit/abc"),
        ("git@github.com:team/iac.git", ""),
        ("ssh://git@github.com/team/iac.git", ""),
    ],
)
def test_a_commit_has_a_page_where_its_host_has_pages(url: str, page: str) -> None:
    assert commit_url(url, "abc") == page


def test_no_secret_is_in_a_repr() -> None:
    secrets = (Password("dag", "planted"), Bearer("planted"), SshKey("planted", "host key", passphrase="planted"))
    assert "planted" not in repr([Access(secret) for secret in secrets])


PLAIN = CredentialType.USERPASS_PLAINTEXT


def test_credentials_are_offered_once_and_a_second_question_is_a_refusal() -> None:
    callbacks = Callbacks("https://git.example.com/iac", lambda: Access(Password("dag", "planted")), "")
    assert callbacks.credentials("https://git.example.com/iac", None, PLAIN).credential_tuple == ("dag", "planted")
    with pytest.raises(Unavailable, match="refused DAG's credentials") as caught:
        callbacks.credentials("https://git.example.com/iac", None, PLAIN)
    assert "planted" not in caught.value.message


@pytest.mark.parametrize("access", [Access(), Access(SshKey("key", "")), Access(Bearer("planted"))])
def test_credentials_of_another_kind_are_not_offered(access: Access) -> None:
    with pytest.raises(Unavailable, match="does not have"):
        Callbacks("https://git.example.com/iac", lambda: access, "").credentials("", None, PLAIN)


@pytest.mark.parametrize("valid", [True, False])
def test_a_certificate_counts_as_the_library_found_it(valid: bool) -> None:
    callbacks = Callbacks("https://git.example.com/iac", Access, "")
    assert callbacks.certificate_check(None, valid, b"git.example.com") is valid


def test_secrets_a_server_repeats_are_taken_out() -> None:
    callbacks = Callbacks("https://git.example.com/iac", lambda: Access(Password("dag", "planted")), "")
    assert callbacks.redacted("no access with planted") == "no access with ***"
