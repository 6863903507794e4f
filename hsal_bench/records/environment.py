"""Where and when a run is made: time, versions of libraries, the checkout of this project."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from hsal_bench.files import PACKAGE
from hsal_bench.records.record import Environment, Git


def utc_now() -> str:
    """Return the time now, to the second, as `Record.started` takes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def environment() -> Environment:
    """Return the versions this process runs with."""
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
    )


def git_state() -> Git | None:
    """Return the state of this project's checkout, None if it does not run from one."""
    try:
        top = Path(_git("rev-parse", "--show-toplevel", cwd=PACKAGE))
        # Installed in a virtual environment, the package can lie in someone else's checkout.
        if top.resolve() / PACKAGE.name != PACKAGE:
            return None
        dirty = bool(_git("status", "--porcelain", cwd=PACKAGE))
        return Git(_git("rev-parse", "HEAD", cwd=PACKAGE), dirty)
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str, cwd: Path) -> str:
    # Within a git hook these variables name the hook's repository, whatever the folder.
    variables = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", *arguments], cwd=cwd, env=variables, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
