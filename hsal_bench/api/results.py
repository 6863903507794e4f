"""Runs and their results from Python: training, records, tables, comparisons, figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hsal_bench import options
from hsal_bench.api import arguments
from hsal_bench.cluster import grid
from hsal_bench.errors import UsageError, suggest
from hsal_bench.record.find import read_records
from hsal_bench.record.record import Record
from hsal_bench.runs import run as work
from hsal_bench.runs.callbacks import Callback

if TYPE_CHECKING:
    import pandas as pd

Paths = str | PathLike[str] | Iterable[str | PathLike[str]]

_RUN_FIELDS = (
    *("preset", "seed", "status", "reason"),
    *("own_budget", "updates", "wall_s", "cpu_s", "parameters"),
)
_FIRST_COLUMNS = ("method", "data_set", "rank", "n")


def run(
    models: str | type[Any] | Iterable[str | type[Any]],
    dataset: str | PathLike[str] = "mnist-multiset",
    seeds: str | int | Iterable[int] = (0,),
    settings: str | Iterable[str] | Mapping[str, Any] | None = None,
    callbacks: str | Callback | Iterable[str | Callback] = (),
    on: str | None = None,
    slurm: str | Mapping[str, Any] | None = None,
    **choices: Any,
) -> list[Record]:
    """Train and evaluate methods, as `hsal-bench run` does; return one record per run.

    models: names, "path/to/file.py:ClassName", or classes, also those of a notebook; one or
    several. dataset: a name or a file. settings: values of config fields, by "KEY" for all methods
    or "METHOD:KEY" for one. callbacks: follow the runs, such as `TensorBoard()`, `WandB()`, or your
    own `Callback`. on: run elsewhere and wait, as `--on`: "local:4", "slurm" (slurm: options of
    sbatch), "dask" or "dask://HOST:PORT". choices: the other options of `hsal-bench run`, such as
    preset="quick", device="cpu", updates=400, eval_on=["mnist-set"], out="runs", datasets="data",
    tag="v2", restart=True, or restart="MyMethod" to restart only its runs. Each argument may also
    be a text as on the command line: models="a,b", seeds="0-4", settings="KEY=VALUE".

    Finished runs are read from `out`, interrupted ones resume. A run that fails has a record with
    the status "failed" and the reason; the other runs go on.

    Raises:
        UsageError: something is missing or contradictory; before any work.
    """
    request = arguments.request(models, dataset, seeds, settings, callbacks, choices)
    if slurm and on != "slurm":
        raise UsageError("slurm=... needs on='slurm'")
    if on is None:
        return work.run(request)
    return grid.run(request, str(on), arguments.slurm_options(slurm)) or []


def records(paths: Paths = "runs") -> pd.DataFrame:
    """Return one row per record in the given files and folders, as `hsal-bench table` finds them.

    Columns: method, data_set, trained_on (if that is different), preset, seed, status, reason,
    own_budget, updates, wall_s, cpu_s, parameters, every metric, every config field as
    `config.NAME`, and path.

    Raises:
        UsageError: there is no record.
    """
    import pandas as pd

    return pd.DataFrame([_row(record, path) for path, record in _read(paths).items()])


def table(
    results: Paths | Sequence[Record] = "runs",
    metrics: str | Sequence[str] | None = None,
    columns: Literal["headline", "all"] = "headline",
) -> pd.DataFrame:
    """Return the means over seeds and the ranks of methods, as `hsal-bench table` does.

    results: files and folders of records, or records, such as `run` returns. metrics: names of
    metrics or of facts of a run such as "updates"; by default exact match and macro F1. columns:
    "headline": method, data_set (if there are several), rank, n (seeds in the means), and the mean
    of each metric. "all": also deviations, intervals, notes and the rest of `hsal-bench table
    --format csv` (`hsal_bench.report.metric_table.metric_table`).

    Raises:
        UsageError: there is no record, or no such metric.
    """
    from hsal_bench.report.metric_table import HEADLINE, metric_table

    if columns not in ("headline", "all"):
        raise UsageError(f"no columns {columns!r}: {suggest(str(columns), ('headline', 'all'))}")
    given = [] if isinstance(results, str | PathLike) else list(results)
    found = [result for result in given if isinstance(result, Record)]
    every = found if found and len(found) == len(given) else list(_read(results).values())
    chosen: Sequence[str]
    if metrics is None:
        chosen = ("exact_match", "macro_f1") if columns == "headline" else HEADLINE
    else:
        chosen = options.split_list(metrics) if isinstance(metrics, str) else tuple(metrics)
    frame = metric_table(every, chosen)
    if columns == "all":
        return frame[list(dict.fromkeys((*_FIRST_COLUMNS, *chosen, *frame.columns)))]
    several = frame["data_set"].nunique() > 1
    names = frame["data_set"].str.replace(r" \([^)]*\)", "", regex=True)
    if names.nunique() == frame["data_set"].nunique():
        frame["data_set"] = names  # without the content hashes, which widen the table
    return frame[[name for name in (*_FIRST_COLUMNS, *chosen) if several or name != "data_set"]]


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
