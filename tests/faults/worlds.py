"""Small folders with everything a user's disk holds: datasets, activations, checkpoints, records.

A command runs in a forked child of this process, where torch is already imported.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUN = shlex.split(
    "run --model count-classifier --dataset data/synthetic-multiset.h5 --datasets data "
    "--preset quick --device cpu --threads 1 --updates 6 --eval-every 2 --batch-size 8 "
    "--fine-tune-updates 3"
)
GENERATE = shlex.split(
    "generate mnist-single mnist-multiset --source synthetic --train 96 --valid 16 --test 32 "
    "--out data --workers"
)
UNIFORM = shlex.split(
    "generate synthetic-multiset-uniform --train 8 --valid 8 --test 24 --out data"
)
ELSEWHERE = (*RUN, "--eval-on", "data/synthetic-multiset-uniform.h5")
TIMEOUT = 120.0
RAW = re.compile(r"Traceback|^error: [A-Z]\w*(Error|Exception): |--debug shows where", re.MULTILINE)


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (negative: the signal), its output, its seconds."""

    code: int
    text: str
    seconds: float

    @property
    def is_raw(self) -> bool:
        """Whether it failed with a message meant for developers."""
        return self.code not in (0, 130) and (self.code < 0 or bool(RAW.search(self.text)))


def start(folder: Path, *arguments: str) -> int:
    """Start `hsal-bench` in a folder as a process group of its own; return its process id.

    What it prints goes to the file `output` there.
    """
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(folder)
        file = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        null = os.open(os.devnull, os.O_RDONLY)
        for number, target in ((null, 0), (file, 1), (file, 2)):
            os.dup2(number, target)
        sys.argv = ["hsal-bench", *arguments]
        from hsal_bench.cli import main

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


def wait(child: int, folder: Path, timeout: float = TIMEOUT) -> Ended:
    """Wait for a started command; one that takes too long is killed, and counts as raw."""
    started, status = time.monotonic(), None
    while status is None:
        ended, raw = os.waitpid(child, os.WNOHANG)
        if ended:
            status = os.waitstatus_to_exitcode(raw)
        elif time.monotonic() - started > timeout:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            status = -signal.SIGKILL
        else:
            time.sleep(0.005)
    text = (folder / "output").read_text(errors="replace")
    return Ended(status, text, time.monotonic() - started)


def call(folder: Path, *arguments: str) -> Ended:
    """Run `hsal-bench` in a folder to its end."""
    (folder / "output").unlink(missing_ok=True)
    return wait(start(folder, *arguments), folder)


def fresh(source: Path, target: Path) -> Path:
    """Return `target` as a copy of the folder `source`."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
    return target


def finished(folder: Path) -> Path:
    """Make a folder with datasets and one run that is done."""
    folder.mkdir(parents=True)
    for arguments in (
        [*GENERATE, "1"],
        UNIFORM,
        list(ELSEWHERE),
    ):
        ended = call(folder, *arguments)
        if ended.code != 0:
            raise RuntimeError(ended.text)
    return folder


def stopped(folder: Path, source: Path, seed: int = 0) -> Path:
    """Make a copy of a finished folder whose run is to be resumed from its last checkpoint."""
    fresh(source, folder)
    for path in folder.rglob("record.json"):
        path.unlink()
    return folder


def numbers(folder: Path) -> dict[str, Any]:
    """Return the results in a folder: records without times, and predictions with confidences."""
    return {
        str(path.relative_to(folder)): _results(path)
        for path in sorted(folder.rglob("record.json"))
    }


def _results(path: Path) -> dict[str, Any]:
    record = json.loads(path.read_text())
    names = ("status", "metrics", "predictions_sha256", "selected_update", "updates")
    return {
        "data": record["data_set"]["content_sha256"],
        "predictions": path.with_name("predictions.jsonl").read_text(),
        "curve": [
            {name: value for name, value in line.items() if "seconds" not in name}
            for line in record["curve"]
        ],
        **{name: record.get(name) for name in names},
    }
