"""Runs a service whose wall clock can be stepped while it runs.

python -P skewed.py FILE MODULE     as `python -m MODULE`, but the time is as many seconds ahead as FILE says just then

What is stepped is what our code and the Python libraries ask: `dag_common.runtime.clock.now`, `time.time` and
`time.time_ns`. Clocks that native code reads for itself are not, nor is the monotonic clock, which no step shows in.
On SIGUSR1 the process tells what each of its tasks waits for.
"""

from __future__ import annotations

import asyncio
import runpy
import signal
import sys
import time
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Self

_time, _time_ns = time.time, time.time_ns


def main(file: Path, module: str) -> None:
    def offset() -> int:
        return int(file.read_text())

    class Stepped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(time.time(), tz)

    time.time = lambda: _time() + offset()
    time.time_ns = lambda: _time_ns() + offset() * 10**9

    from dag_common.runtime import clock  # noqa: PLC0415 - after the clocks it might keep

    vars(clock)["datetime"] = Stepped
    signal.signal(signal.SIGUSR1, _tell_tasks)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _tell_tasks(_signal: int, _frame: object) -> None:
    for task in asyncio.all_tasks():
        task.print_stack()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
