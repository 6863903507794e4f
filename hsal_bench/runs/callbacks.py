"""Following runs: TensorBoard, Weights & Biases, and callbacks of your own.

Callbacks see copies, outside the clock and with the random generators put back afterwards: they
cannot change a result. One that fails is switched off, with a warning; the run goes on.
"""

from __future__ import annotations

import copy
import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from hsal_bench.errors import UsageError, suggest
from hsal_bench.record.record import Record
from hsal_bench.text import one_line


class Callback:
    """Follows runs. Override the methods you need."""

    def on_start(self, record: Record, folder: Path, update: int) -> None:
        """Called when a run starts, or resumes after `update` updates. folder: of the run."""

    def on_validation(self, record: Record, line: Mapping[str, float]) -> None:
        """Called after each validation; `line` is that of the training curve.

        It has "update", the mean of each scalar that the method's `update` returned, and validation
        metrics such as "valid_exact_match".
        """

    def on_end(self, record: Record) -> None:
        """Called when the record is complete, also if the run failed. Not if it is interrupted."""


class TensorBoard(Callback):
    """Writes the training curve and the test metrics to the folder `tensorboard` of each run."""

    def on_start(self, record: Record, folder: Path, update: int) -> None:
        """Open the event file; that of an earlier, discarded run is removed."""
        from torch.utils.tensorboard import SummaryWriter

        place = folder / "tensorboard"
        if not update:
            shutil.rmtree(place, ignore_errors=True)
        self.writer: Any = SummaryWriter(str(place), purge_step=update + 1 if update else None)

    def on_validation(self, record: Record, line: Mapping[str, float]) -> None:
        """Write each number of the line."""
        for name, value in line.items():
            if name != "update":
                self.writer.add_scalar(name, value, int(line["update"]))
        self.writer.flush()

    def on_end(self, record: Record) -> None:
        """Write the test metrics at the tested update."""
        for name, value in record.metrics.items():
            self.writer.add_scalar(f"test_{name}", value, record.selected_update)
        self.writer.close()


class WandB(Callback):
    """Sends the training curve and the test metrics to Weights & Biases, project `hsal-bench`.

    Without a login, or with WANDB_MODE=offline, everything stays in the folder `wandb` of each run,
    and `wandb sync` sends it later. WANDB_PROJECT names another project.
    """

    def on_start(self, record: Record, folder: Path, update: int) -> None:
        """Open a run that is named for the method and the seed."""
        import wandb

        mode: Any = os.environ.get("WANDB_MODE")
        if mode is None:
            mode = "online" if wandb.login(prompt=False) else "offline"
        settings = wandb.Settings(console="off", silent=True, save_code=False, disable_git=True)
        self.run: Any = wandb.init(
            mode=mode,
            project=os.environ.get("WANDB_PROJECT", "hsal-bench"),
            name=f"{record.method} seed {record.seed} on {record.data_set.name}",
            group=record.method,
            config={**record.config, "seed": record.seed, "budget": dict(record.budget)},
            dir=str(folder),
            reinit="create_new",
            settings=settings,
        )

    def on_validation(self, record: Record, line: Mapping[str, float]) -> None:
        """Log the line."""
        self.run.log(dict(line), step=int(line["update"]))

    def on_end(self, record: Record) -> None:
        """Add the test metrics to the run's summary."""
        self.run.summary.update({f"test_{name}": x for name, x in record.metrics.items()})
        self.run.summary["status"] = record.status
        self.run.finish(exit_code=0 if record.status == "ok" else 1)


LOGGERS: Mapping[str, type[Callback]] = {"tensorboard": TensorBoard, "wandb": WandB}
"""By the name for `--log`, which is also that of the package they need."""


def loggers(names: Iterable[str]) -> tuple[Callback, ...]:
    """Return the callbacks with these names.

    Raises:
        UsageError: an unknown name, or its package is not installed.
    """
    chosen = list(dict.fromkeys(names))
    for name in chosen:
        if name not in LOGGERS:
            raise UsageError(f"--log {name}: {suggest(name, LOGGERS)}")
        if find_spec(name) is None:
            raise UsageError(f"--log {name} needs the package {name}: pip install {name}")
    return tuple(LOGGERS[name]() for name in chosen)


class Followers:
    """The callbacks of a command; those that fail are dropped."""

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        self.callbacks = list(callbacks)
        self.running = False

    def started(self, record: Record, folder: Path, update: int) -> None:
        """Call each `on_start`."""
        self.running = True
        self._call(lambda callback: callback.on_start(copy.deepcopy(record), folder, update))

    def validated(self, record: Record, line: Mapping[str, float]) -> None:
        """Call each `on_validation`."""
        self._call(lambda callback: callback.on_validation(copy.deepcopy(record), dict(line)))

    def ended(self, record: Record) -> None:
        """Call each `on_end`, if the run got as far as `on_start`."""
        if not self.running:
            return
        self.running = False
        self._call(lambda callback: callback.on_end(copy.deepcopy(record)))

    def _call(self, call: Callable[[Callback], None]) -> None:
        for callback in list(self.callbacks):
            try:
                with _generators_kept():
                    call(callback)
            except (Exception, SystemExit) as error:
                self.callbacks.remove(callback)
                reason = f"{type(error).__name__}: {one_line(str(error))}"
                name = type(callback).__name__
                click.echo(f"warning: {name} failed and is switched off: {reason}", err=True)


@contextmanager
def _generators_kept() -> Iterator[None]:
    """Put the global random generators and torch's settings back to what they were."""
    import numpy as np
    import torch

    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    of_python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    grad, deterministic = torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled()
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)  # noqa: NPY002
        torch.set_grad_enabled(grad)
        torch.use_deterministic_algorithms(deterministic)
