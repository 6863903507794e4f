"""The command line on a fake GPU: `python check_run.py run --model all --device cuda ...`

Exits as the command does, and with 1 if something went between host and device in an update after
a method's first (some keep a table from then on) or if nothing was captured.
"""

from __future__ import annotations

import sys
import warnings
from unittest import mock

from fake_cuda import fake_cuda

from hsal_bench.cli import main as cli
from hsal_bench.method.gradient import GradientMethod


def main() -> int:
    """Run the command; return the exit code."""
    warnings.simplefilter("ignore")
    copied: set[str] = set()
    plain = GradientMethod.update
    with fake_cuda(gpus=2) as gpu:

        def update(self, batch):
            before = gpu.copies.copy()
            scalars = plain(self, batch)
            if self.updates_done > 1:
                copied.update(gpu.copies - before)
            return scalars

        with mock.patch.object(GradientMethod, "update", update):
            try:
                cli.main()
            except SystemExit as stop:
                if stop.code:
                    return int(stop.code)
    for line in sorted(copied):
        print(f"in an update: {line}")
    print(f"{gpu.captured} graphs, {gpu.replayed} replays")
    return 1 if copied or not gpu.captured else 0


if __name__ == "__main__":
    sys.exit(main())
