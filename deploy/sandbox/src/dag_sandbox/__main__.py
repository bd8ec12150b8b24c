"""`python -m dag_sandbox demo | up | world`."""

from __future__ import annotations

from dag_sandbox.command import main

main()
