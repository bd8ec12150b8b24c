from __future__ import annotations

from dataclasses import dataclass

import pytest

from dag_common.errors import Invalid
from dag_common.runtime.settings import explain, seconds, settings_from, variable, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    url: str = variable("SAMPLE_URL", "where it is", secret=True)
    port: int = variable("SAMPLE_PORT", "its port", default=80, parse=whole)
    wait: float = variable("SAMPLE_WAIT", "how long to wait", default=1.5, parse=seconds)


def test_everything_missing_or_wrong_is_told_together_by_variable_name() -> None:
    with pytest.raises(Invalid) as caught:
        settings_from(Sample, {"SAMPLE_PORT": "-1", "SAMPLE_WAIT": "soon"})
    assert str(caught.value).splitlines() == [
        "SAMPLE_URL is not set: where it is",
        "SAMPLE_PORT is wrong: expected a whole number, got '-1'",
        "SAMPLE_WAIT is wrong: expected a number, got 'soon'",
    ]


def test_an_empty_variable_counts_as_absent() -> None:
    settings = settings_from(Sample, {"SAMPLE_URL": "u", "SAMPLE_PORT": " ", "SAMPLE_WAIT": "2"})
    assert (settings.port, settings.wait) == (80, 2.0)


def test_a_secret_does_not_show_when_the_settings_are_printed() -> None:
    assert "planted" not in repr(settings_from(Sample, {"SAMPLE_URL": "planted"}))


def test_the_help_names_every_variable_with_its_default() -> None:
    assert [line.split()[0] for line in explain(Sample).splitlines()] == ["SAMPLE_URL", "SAMPLE_PORT", "SAMPLE_WAIT"]
    assert "required" in explain(Sample)
    assert "default 80" in explain(Sample)
