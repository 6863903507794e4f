"""Runs and their results from Python: training, records, tables, comparisons, figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsal_bench import options
from hsal_bench.cluster import grid
from hsal_bench.errors import UsageError, suggest
from hsal_bench.record.find import read_records
from hsal_bench.record.record import Record
from hsal_bench.runs import request as requests
from hsal_bench.runs import run as work
from hsal_bench.runs.callbacks import Callback
from hsal_bench.runs.request import Request

if TYPE_CHECKING:
    import pandas as pd

Paths = str | PathLike[str] | Iterable[str | PathLike[str]]

_RUN_FIELDS = (
    *("preset", "seed", "status", "reason"),
    *("own_budget", "updates", "wall_s", "parameters"),
)
_FIRST_COLUMNS = ("method", "data_set", "rank_best", "rank_worst", "n", "seeds")
_FOLDERS = ("out", "datasets", "data_dir", "cache")


def run(
    models: str | type[Any] | Iterable[str | type[Any]],
    dataset: str | PathLike[str] = "mnist-multiset",
    seeds: Iterable[int] = (0,),
    settings: Mapping[str, Any] | None = None,
    callbacks: Iterable[Callback] = (),
    on: str | None = None,
    slurm: Mapping[str, str] | None = None,
    **choices: Any,
) -> list[Record]:
    """Train and evaluate methods, as `hsal-bench run` does; return one record per run.

    models: names, "path/to/file.py:ClassName", or classes, also those of a notebook; one or
    several. dataset: a name or a file. settings: values of config fields, by "KEY" for all methods
    or "METHOD:KEY" for one. callbacks: follow the runs, such as `TensorBoard()`, `WandB()`, or your
    own `Callback`. on: run elsewhere and wait, as `--on`: "local:4", "slurm" (slurm: options of
    sbatch), "dask" or "dask://HOST:PORT". choices: the other options of `hsal-bench run`, such as
    preset="quick", device="cpu", updates=400, eval_on=["mnist-set"], out="runs", datasets="data",
    tag="v2", restart=True, or restart="MyMethod" to restart only its runs.

    Finished runs are read from `out`, interrupted ones resume. A run that fails has a record with
    the status "failed" and the reason; the other runs go on.

    Raises:
        UsageError: something is missing or contradictory; before any work.
    """
    known = [field.name for field in dataclasses.fields(Request)]
    if unknown := [name for name in choices if name not in known]:
        raise UsageError(f"run has no option {unknown[0]!r}: {suggest(unknown[0], known)}")
    given = {name: _choice(name, value) for name, value in choices.items()}
    chosen = [models] if isinstance(models, str | type) else list(models)
    request = Request(
        models=tuple(chosen),
        dataset=str(dataset),
        seeds=tuple(seeds),
        settings={key: options.as_text(value) for key, value in (settings or {}).items()},
        callbacks=_callbacks(callbacks),
        command=_call(chosen, dataset, choices),
        **given,
    )
    requests.check_request(request)
    if slurm and on != "slurm":
        raise UsageError("slurm=... needs on='slurm'")
    if on is None:
        return work.run(request)
    return grid.run(request, on, slurm or {}) or []


def records(paths: Paths = "runs") -> pd.DataFrame:
    """Return one row per record in the given files and folders, as `hsal-bench table` finds them.

    Columns: method, data_set, trained_on (if that is different), preset, seed, status, reason,
    own_budget, updates, wall_s, parameters, every metric, every config field as `config.NAME`, and
    path.

    Raises:
        UsageError: there is no record.
    """
    import pandas as pd

    return pd.DataFrame([_row(record, path) for path, record in _read(paths).items()])


def table(
    results: Paths | Sequence[Record] = "runs", metrics: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the means over seeds and the ranks of methods, as `hsal-bench table --format csv`.

    results: files and folders of records, or records, such as `run` returns. metrics: names of
    metrics or of facts of a run; by default the headline. The columns are those of
    `hsal_bench.report.metric_table.metric_table`: first method, dataset, ranks, seeds and means.

    Raises:
        UsageError: there is no record, or no such metric.
    """
    from hsal_bench.report.metric_table import HEADLINE, metric_table

    given = [] if isinstance(results, str | PathLike) else list(results)
    found = [result for result in given if isinstance(result, Record)]
    every = found if found and len(found) == len(given) else list(_read(results).values())
    chosen = HEADLINE if metrics is None else tuple(metrics)
    frame = metric_table(every, chosen)
    return frame[list(dict.fromkeys((*_FIRST_COLUMNS, *chosen, *frame.columns)))]


def compare(
    a: str | PathLike[str],
    b: str | PathLike[str],
    dataset: str | PathLike[str] | None = None,
    datasets: str | PathLike[str] = "data",
) -> dict[str, Any]:
    """Compare two records, folders of runs or predictions files, as `hsal-bench compare --json`.

    dataset: the dataset file; by default the one that the records name, in the folder `datasets`.

    Raises:
        UsageError: they are not about the same images, or something is missing.
    """
    from hsal_bench.comparison.two_sources import compare_sources
    from hsal_bench.report.comparison_tables import plain

    file = None if dataset is None else Path(dataset)
    return plain(compare_sources(Path(a), Path(b), file, Path(datasets)))


def figures(
    paths: Paths = "runs",
    out: str | PathLike[str] = "figures",
    only: Sequence[int] = (2, 3, 4, 5, 6, 12),
    formats: Sequence[str] = ("pdf", "png"),
    datasets: str | PathLike[str] = "data",
    device: str | None = None,
    seed: int = 0,
    cache: str | PathLike[str] | None = None,
) -> dict[int, list[Path]]:
    """Draw the paper's figures, as `hsal-bench figures`; return the files of each number.

    A figure that cannot be drawn is reported and has no files.

    Raises:
        UsageError: there is no record of a training run.
    """
    from hsal_bench.report.figures.paper import Wanted, draw_figures
    from hsal_bench.training import device as devices

    runs = [(record, file) for file, record in _read(paths).items()]
    place, images = Path(out), Path(datasets)
    kept = None if cache is None else Path(cache)
    return draw_figures(
        runs, Wanted(only, formats, place, images, devices.resolve(device), seed, kept)
    )


def _read(paths: Any) -> dict[Path, Record]:
    listed = [paths] if isinstance(paths, str | PathLike) else paths
    return read_records([Path(path) for path in listed])


def _row(record: Record, path: Path) -> dict[str, Any]:
    trained_on = record.trained_on
    return {
        "method": record.method,
        "data_set": record.data_set.name,
        "trained_on": trained_on.name if trained_on else None,
        **{name: getattr(record, name) for name in _RUN_FIELDS},
        **record.metrics,
        **{f"config.{name}": value for name, value in record.config.items()},
        "path": str(path),
    }


def _callbacks(callbacks: Iterable[Callback]) -> tuple[Callback, ...]:
    given = tuple(callbacks)
    for callback in given:
        if not isinstance(callback, Callback):
            raise UsageError(f"callbacks: {callback!r} is no object of a class from hb.Callback")
    return given


def _choice(name: str, value: Any) -> Any:
    if name in _FOLDERS:
        return Path(value)
    if name == "restart":
        return requests.restart(value) if isinstance(value, str) else value
    return (value,) if name == "eval_on" and isinstance(value, str) else value


def _call(models: Sequence[Any], dataset: Any, choices: Mapping[str, Any]) -> str:
    """Return the call as the record's command states it."""
    names = [model if isinstance(model, str) else model.__name__ for model in models]
    given = {"models": names, "dataset": str(dataset), **choices}
    return f"hsal_bench.run({', '.join(f'{name}={value!r}' for name, value in given.items())})"
