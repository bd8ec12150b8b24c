from __future__ import annotations

from pathlib import Path

import pytest

from dag_common.errors import Unavailable
from dag_common.registry.references import FilePath, Secret


def test_a_secret_is_read_each_time_so_a_rotated_one_is_seen(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    secret = Secret(file=FilePath("token", tmp_path))
    assert secret.read() == "first"
    (tmp_path / "token").write_text("second\r\n")
    assert secret.read() == "second"


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IAC_TOKEN", "from-the-environment")
    assert Secret(env="IAC_TOKEN").read() == "from-the-environment"


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IAC_TOKEN", raising=False)
    with pytest.raises(Unavailable, match=r"the secret \{env: IAC_TOKEN\} is not there"):
        Secret(env="IAC_TOKEN").read()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\n", "is empty"),
        (b"planted\xff", "is not UTF-8 text"),
        (b"planted" * 50_000, "is larger than 256 KiB"),
    ],
)
def test_an_unusable_file_is_named_and_its_content_is_not(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(Unavailable, match=rf"the secret \{{file: token\}} {words}") as caught:
        Secret(file=FilePath("token", tmp_path)).read()
    assert "planted" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"the secret \{file: gone\} cannot be read: No such file"):
        Secret(file=FilePath("gone", tmp_path)).read()


def test_an_absolute_path_stays_where_it_is(tmp_path: Path) -> None:
    assert FilePath("/run/secrets/token", tmp_path).path == Path("/run/secrets/token")


@pytest.mark.parametrize("both", [{}, {"env": "A", "file": FilePath("b")}, {"env": "not a name"}])
def test_a_reference_is_one_thing(both: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Secret(**both)  # type: ignore[arg-type]
