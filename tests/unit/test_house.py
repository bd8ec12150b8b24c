"""Rules of the house that no linter knows."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = [ROOT / room for room in ("libs", "services", "deploy", "tests")]
MODULES = sorted(module for room in ROOMS for module in room.rglob("*.py") if ".venv" not in module.parts)


def test_the_tree_was_found() -> None:
    assert len(MODULES) > 200


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_a_module_reads_in_one_sitting(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= 400


def test_every_package_says_that_it_is_typed() -> None:
    for source in (package.parent for package in ROOT.glob("*/*/src/*/__init__.py")):
        assert (source / "py.typed").exists(), source
