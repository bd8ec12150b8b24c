from __future__ import annotations

from typer.testing import CliRunner

from dag_sandbox.reconcilers.meanings import OUTCOME_MEANINGS, SYMPTOM_MEANINGS
from dag_sandbox.reconcilers.outcomes import OUTCOMES, SYMPTOMS
from dag_sandbox.subcommand import sandbox


def test_the_help_of_the_sandbox_says_each_way_a_rollout_can_end() -> None:
    assert (tuple(OUTCOME_MEANINGS), tuple(SYMPTOM_MEANINGS)) == (OUTCOMES, SYMPTOMS)
    lines = CliRunner().invoke(sandbox, ["--help"], env={"COLUMNS": "100"}).output.splitlines()
    for name, meaning in (OUTCOME_MEANINGS | SYMPTOM_MEANINGS).items():
        assert any(line.split() == [name, *meaning.split()] for line in lines), name
    assert any("runs no containers" in line for line in lines)
