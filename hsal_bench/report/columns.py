"""What a table can have as a column: a metric, or a number of the run beside its metrics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hsal_bench.records.record import Record

if TYPE_CHECKING:
    import pandas as pd

_MIB = 2**20
_DASH = "—"
_TIMES = (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0))


@dataclass(frozen=True)
class RunColumn:
    """A number that a record has of the run itself; it is shown in `unit`s of `size`."""

    read: Callable[[Record], float | None]
    heading: str
    meaning: str
    unit: str = ""
    size: int = 1


RUN_COLUMNS = {
    "updates": RunColumn(lambda record: record.updates, "updates", "gradient updates made"),
    "selected_update": RunColumn(
        lambda record: record.selected_update,
        "tested update",
        "the update whose state was best on the validation split, and tested",
    ),
    "wall_s": RunColumn(
        lambda record: record.wall_s, "time", "time of training, validation included"
    ),
    "parameters": RunColumn(
        lambda record: record.parameters,
        "parameters",
        "numbers the method trains; the frozen activation model has its own",
    ),
    "throughput_train": RunColumn(
        lambda record: record.throughput_train,
        "training (examples/s)",
        "examples per second of training, validation left out",
        "/s",
    ),
    "throughput_predict": RunColumn(
        lambda record: record.throughput_predict,
        "prediction (examples/s)",
        "examples per second of predicting the test split",
        "/s",
    ),
    "peak_memory_process": RunColumn(
        lambda record: record.peak_memory_bytes.process,
        "memory (MiB)",
        "most memory of the process, all it did before the run included",
        "MiB",
        _MIB,
    ),
    "peak_memory_device": RunColumn(
        lambda record: record.peak_memory_bytes.device,
        "device memory (MiB)",
        "most memory allocated on the GPU during the run",
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
    """Return a number of the record by its column's name; NaN where it has none."""
    column = RUN_COLUMNS.get(name)
    found = column.read(record) if column else record.metrics.get(name)
    return math.nan if found is None else found


def heading(name: str) -> str:
    """Return what stands above the column."""
    column = RUN_COLUMNS.get(name)
    return column.heading if column else name.replace("_", " ")


def meaning(name: str) -> str:
    """Return what the number says, in a line."""
    from hsal_bench.metrics import scores as metrics

    column = RUN_COLUMNS.get(name)
    return column.meaning if column else metrics.meaning(name)


def names_in(record: Record) -> list[str]:
    """Return the names of all numbers that a record can have, metrics first."""
    return [*record.metrics, *RUN_COLUMNS]


def frame(record: Record) -> pd.DataFrame:
    """Return every number of one run with the columns metric, value (bytes for memory), meaning."""
    import pandas as pd

    rows = [(name, value(record, name), meaning(name)) for name in names_in(record)]
    return pd.DataFrame(rows, columns=["metric", "value", "meaning"])


def cell(name: str, mean: float, std: float = math.nan) -> str:
    """Return "0.900 ± 0.012" in the column's unit; without what is NaN, a dash for no mean.

    A time has the unit that suits it: "12.5 s", "20.6 ± 0.3 min".
    """
    if math.isnan(mean):
        return _DASH
    form = _form(name, mean)
    told = not math.isnan(std) and not (form.digits == 0 and std == 0)
    return form.text(mean) + (f" ± {form.text(std)}" if told else "") + form.unit


def interval(name: str, mean: float, low: float, high: float) -> str:
    """Return "0.871 to 0.929" as `cell` writes the mean that it is the interval of.

    A dash where there is none, or where it is of a whole number that is the same for all seeds.
    """
    if math.isnan(low):
        return _DASH
    form = _form(name, mean)
    if form.digits == 0 and low == high:
        return _DASH
    return f"{form.text(low)} to {form.text(high)}{form.unit}"


def cell_with_unit(name: str, number: float) -> str:
    """Return "612.5 MiB", for a number that has no heading to name its unit."""
    text = cell(name, number)
    return text if text == _DASH or not unit(name) else f"{text} {unit(name)}"


def unit(name: str) -> str:
    """Return the unit that `cell` writes a number in, "" for none or where the cell has it."""
    return RUN_COLUMNS[name].unit if name in RUN_COLUMNS else ""


@dataclass(frozen=True)
class _Form:
    """How a number is written: in units of `size`; `unit` is what no heading names."""

    size: float
    digits: int
    unit: str = ""

    def text(self, number: float) -> str:
        return f"{number / self.size:,.{self.digits}f}"


def _form(name: str, mean: float) -> _Form:
    """Return the form of a mean, and of what stands beside it."""
    if name == "wall_s":
        # Two of a unit at least: 90 s say more than 1.5 min.
        unit, seconds = next((time for time in _TIMES if mean >= 2 * time[1]), _TIMES[-1])
        return _Form(seconds, 1 if mean >= 2 else 2, f" {unit}")
    size = RUN_COLUMNS[name].size if name in RUN_COLUMNS else 1
    shown = abs(mean / size)
    whole = name in ("updates", "selected_update", "parameters") or shown >= 1000
    return _Form(size, 0 if whole else 3 if shown < 10 else 1)
