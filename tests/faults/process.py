"""`hsal-bench` in a forked child of this process, where torch is already imported."""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
TIMEOUT = 60.0
CRASHED = 99


@dataclass(frozen=True)
class Crash:
    """End the child before a call of os.replace or os.unlink for a file `suffix`.

    after: calls that still take place.
    """

    call: str
    suffix: str
    after: int = 1


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (negative: the signal), its output, its seconds."""

    code: int
    text: str
    seconds: float

    @property
    def errors(self) -> list[str]:
        """The lines of its error message."""
        return [line for line in self.text.splitlines() if line.startswith("error:")]


def load() -> None:
    """Import all modules once, so that no child has to."""
    import hsal_bench

    for module in pkgutil.walk_packages(hsal_bench.__path__, "hsal_bench."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("torch._dynamo", "pandas", "matplotlib.pyplot", "joblib"):
        importlib.import_module(name)
    import torch

    from hsal_bench.training import evaluate

    torch.set_num_threads(1)
    evaluate.KEEP_AFTER = 0.0  # so that evaluations this small keep evaluation.pt


def start(folder: Path, *arguments: str, output: str = "output", crash: Crash | None = None) -> int:
    """Start `hsal-bench` in a folder as a process group of its own; return its process id.

    What it prints goes to the file `output` there.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        with contextlib.suppress(OSError):
            os.setpgid(child, child)
        return child
    code = 70
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(folder)
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        null = os.open(os.devnull, os.O_RDONLY)
        for number, target in ((null, 0), (file, 1), (file, 2)):
            os.dup2(number, target)
        sys.stdout, sys.stderr = (open(n, "w", closefd=False) for n in (1, 2))  # noqa: SIM115
        sys.argv = ["hsal-bench", *arguments]
        if crash:
            _crash_in(crash)
        from hsal_bench.cli import main

        _unblock_after(main, "terminate_like_ctrl_c")
        main.main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def wait(child: int, folder: Path, output: str = "output") -> Ended:
    """Wait for a started command; one that takes too long, or outlives this process, is killed."""
    started, status = time.monotonic(), None
    try:
        while status is None:
            ended, raw = os.waitpid(child, os.WNOHANG)
            if ended:
                status = os.waitstatus_to_exitcode(raw)
            elif time.monotonic() - started > TIMEOUT:
                status = _kill(child)
            else:
                time.sleep(0.005)
    except KeyboardInterrupt:
        _kill(child)
        raise
    path = folder / output
    text = path.read_text(errors="replace") if path.exists() else ""
    return Ended(status, text, time.monotonic() - started)


def _kill(child: int) -> int:
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGKILL


def call(folder: Path, *arguments: str, crash: Crash | None = None) -> Ended:
    """Run `hsal-bench` in a folder to its end."""
    (folder / "output").unlink(missing_ok=True)
    return wait(start(folder, *arguments, crash=crash), folder)


def survivors(group: int) -> list[int]:
    """Return the processes of a group, without zombies."""
    pids = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, pgrp = stat.read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state != "Z":
                pids.append(int(stat.parent.name))
    return pids


def _unblock_after(module: Any, call: str) -> None:
    """Let signals in once `call` is done: before it, Python's own start is what they would stop."""
    real = getattr(module, call)

    def then_unblock() -> None:
        real()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    setattr(module, call, then_unblock)


def _crash_in(crash: Crash) -> None:
    real, left = getattr(os, crash.call), [crash.after]

    def crashing(*arguments: Any, **options: Any) -> Any:
        if str(arguments[1 if crash.call == "replace" else 0]).endswith(crash.suffix):
            left[0] -= 1
            if left[0] < 0:
                os._exit(CRASHED)
        return real(*arguments, **options)

    setattr(os, crash.call, crashing)
