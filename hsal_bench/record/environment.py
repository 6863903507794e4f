"""The environment of a run: time, versions, processor, and this project's Git commit."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hsal_bench.files import PACKAGE


@dataclass(frozen=True)
class Environment:
    """Versions and processor of a run.

    `cuda` and `hip` (ROCm) are None for builds without them; `processor` is None in older
    records.
    """

    python: str
    hsal_bench: str
    torch: str
    numpy: str
    h5py: str
    cuda: str | None
    platform: str
    hip: str | None = None
    processor: str | None = None


@dataclass(frozen=True)
class Git:
    """The commit of the checkout, and whether its files differed from it."""

    revision: str
    dirty: bool


def utc_now() -> str:
    """Return the current time, to the second, in the format of `Record.started`."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def environment() -> Environment:
    """Return the versions that this process uses, and its processor."""
    import h5py
    import numpy
    import torch

    from hsal_bench import __version__

    return Environment(
        python=platform.python_version(),
        hsal_bench=__version__,
        torch=str(torch.__version__),
        numpy=numpy.__version__,
        h5py=h5py.__version__,
        cuda=torch.version.cuda,
        hip=torch.version.hip,
        platform=platform.platform(),
        processor=_processor(),
    )


def git_state() -> Git | None:
    """Return the state of this project's checkout; None if it runs from none."""
    try:
        top = Path(_git("rev-parse", "--show-toplevel", cwd=PACKAGE))
        # Installed in a virtual environment, the package can lie in someone else's checkout.
        if top.resolve() / PACKAGE.name != PACKAGE:
            return None
        # Results in the checkout are untracked and change no code.
        dirty = bool(_git("status", "--porcelain", "--untracked-files=no", cwd=PACKAGE))
        return Git(_git("rev-parse", "HEAD", cwd=PACKAGE), dirty)
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    """Return the processor's model, or its architecture if Linux names no model."""
    try:
        model = re.search(r"^model name\s*:(.+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        model = None
    return model[1].strip() if model else platform.machine()


def _git(*arguments: str, cwd: Path) -> str:
    # In a Git hook these variables name the hook's repository, whatever the folder.
    variables = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", *arguments], cwd=cwd, env=variables, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
