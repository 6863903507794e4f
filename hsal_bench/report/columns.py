"""Columns of tables: metrics, and numbers of the run such as time and memory."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hsal_bench.comparison.ranking import TOO_FEW
from hsal_bench.record.record import Record

if TYPE_CHECKING:
    import pandas as pd

_MIB = 2**20
_DASH = "—"
_TIMES = (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0))


@dataclass(frozen=True)
class RunColumn:
    """A number of the run itself, shown in `unit`s of `size`."""

    read: Callable[[Record], float | None]
    heading: str
    meaning: str
    unit: str = ""
    size: int = 1


RUN_COLUMNS = {
    "updates": RunColumn(lambda record: record.updates, "updates", "number of gradient updates"),
    "selected_update": RunColumn(
        lambda record: record.selected_update,
        "tested update",
        "update with the best state on the validation split; this state is tested",
    ),
    "wall_s": RunColumn(
        lambda record: record.wall_s, "time", "training time, including validation"
    ),
    "cpu_s": RunColumn(
        lambda record: record.cpu_s,
        "CPU time",
        "CPU time of the training, of all threads, including validation",
    ),
    "parameters": RunColumn(
        lambda record: record.parameters,
        "parameters",
        "trained parameters of the method, without the frozen activation model",
    ),
    "throughput_train": RunColumn(
        lambda record: record.throughput_train,
        "training (examples/s)",
        "training examples per second, without validation",
        "/s",
    ),
    "throughput_predict": RunColumn(
        lambda record: record.throughput_predict,
        "prediction (examples/s)",
        "examples per second when predicting the test split",
        "/s",
    ),
    "peak_memory_process": RunColumn(
        lambda record: record.peak_memory_bytes.process,
        "memory (MiB)",
        "peak memory of the process, including everything before the run",
        "MiB",
        _MIB,
    ),
    "peak_memory_device": RunColumn(
        lambda record: record.peak_memory_bytes.device,
        "device memory (MiB)",
        "peak memory allocated on the GPU during the run",
        "MiB",
        _MIB,
    ),
    "resident_memory_device": RunColumn(
        lambda record: record.peak_memory_bytes.resident,
        "device memory of the data (MiB)",
        "memory allocated on the GPU before the method was built: the splits",
        "MiB",
        _MIB,
    ),
}


def value(record: Record, name: str) -> float:
    """Return a number of the record by column name; NaN if it has none."""
    column = RUN_COLUMNS.get(name)
    number = column.read(record) if column else record.metrics.get(name)
    return math.nan if number is None else number


def heading(name: str) -> str:
    """Return the heading of the column."""
    column = RUN_COLUMNS.get(name)
    return column.heading if column else re.sub(r"\bf1\b", "F1", name.replace("_", " "))


def meaning(name: str) -> str:
    """Return the meaning of the number in one line."""
    from hsal_bench.metrics import scores as metrics

    column = RUN_COLUMNS.get(name)
    return column.meaning if column else metrics.meaning(name)


def names_in(record: Record) -> list[str]:
    """Return the names of all numbers of a record, metrics first."""
    return [*record.metrics, *RUN_COLUMNS]


def frame(record: Record) -> pd.DataFrame:
    """Return every number of one run with the columns metric, value (bytes for memory), meaning."""
    import pandas as pd

    rows = [(name, value(record, name), meaning(name)) for name in names_in(record)]
    return pd.DataFrame(rows, columns=["metric", "value", "meaning"])


def cell(name: str, mean: float, std: float = math.nan) -> str:
    """Return "0.900 ± 0.012" in the column's unit; a dash if the mean is NaN.

    A NaN deviation is left out. Times have a suitable unit: "12.5 s", "20.6 ± 0.3 min".
    """
    if math.isnan(mean):
        return _DASH
    form = _form(name, mean)
    with_std = not math.isnan(std) and not (form.digits == 0 and std == 0)
    return form.text(mean) + (f" ± {form.text(std)}" if with_std else "") + form.unit


def interval(name: str, mean: float, low: float, high: float) -> str:
    """Return "0.871 to 0.929", in the digits that `cell` uses for the mean.

    "too few seeds" if there is no interval; a dash without a mean, and for numbers of the run,
    which have none.
    """
    if name in RUN_COLUMNS or math.isnan(mean):
        return _DASH
    form = _form(name, mean)
    return TOO_FEW if math.isnan(low) else f"{form.text(low)} to {form.text(high)}"


def cell_with_unit(name: str, number: float) -> str:
    """Return "612.5 MiB": a number with its unit, for use without a heading."""
    text = cell(name, number)
    return text if text == _DASH or not unit(name) else f"{text} {unit(name)}"


def unit(name: str) -> str:
    """Return the unit of the numbers of `cell`; "" if there is none or the cell names it."""
    return RUN_COLUMNS[name].unit if name in RUN_COLUMNS else ""


@dataclass(frozen=True)
class _Form:
    """The form of a number: in multiples of `size`; `unit` is a suffix that no heading has."""

    size: float
    digits: int
    unit: str = ""

    def text(self, number: float) -> str:
        return f"{number / self.size:,.{self.digits}f}"


def _form(name: str, mean: float) -> _Form:
    """Return the form of a mean, its deviation and interval."""
    if name in ("wall_s", "cpu_s"):
        # At least two of a unit: 90 s is clearer than 1.5 min.
        unit, seconds = next((time for time in _TIMES if mean >= 2 * time[1]), _TIMES[-1])
        return _Form(seconds, 1 if mean >= 2 else 2, f" {unit}")
    size = RUN_COLUMNS[name].size if name in RUN_COLUMNS else 1
    shown = abs(mean / size)
    whole = name in ("updates", "selected_update", "parameters") or shown >= 1000
    return _Form(size, 0 if whole else 3 if shown < 10 else 1)
