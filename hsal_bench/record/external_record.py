"""Records of predictions that were made elsewhere and scored here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hsal_bench import registry
from hsal_bench.errors import UsageError
from hsal_bench.metrics.scores import METRICS_VERSION
from hsal_bench.record import validation
from hsal_bench.record.correct import pack_correct
from hsal_bench.record.environment import utc_now
from hsal_bench.record.external_entry import UNSTATED, Statement
from hsal_bench.record.record import DataSet, Record, read_record

if TYPE_CHECKING:
    import numpy as np

    from hsal_bench.data.file import DataFile

FOLDER = "elsewhere"
"""Of these records, where runs have the folder of their preset."""


def external_record(
    method: str,
    seed: int,
    data: DataFile,
    metrics: Mapping[str, float],
    correct: np.ndarray,
    predictions_sha256: str,
    stated: Statement = UNSTATED,
    parameters: int | None = None,
    command: str = "",
) -> Record:
    """Return the record of predictions for the test split of `data`.

    correct: bool [N], the images that are predicted exactly. The rest is as in `Record`.
    """
    return Record(
        status="ok",
        method=method,
        config={},
        preset=None,
        seed=seed,
        budget={},
        data_set=DataSet.of(data),
        activation=None,
        metrics=metrics,
        correct=pack_correct(correct),
        predictions_sha256=predictions_sha256,
        updates=None,
        wall_s=None,
        parameters=parameters,
        device="",
        environment=None,
        git=None,
        started=utc_now(),
        command=command,
        stated=stated,
        metrics_version=METRICS_VERSION,
    )


def check_method_name(name: str) -> None:
    """Check the name of a method that was not trained here.

    Raises:
        UsageError: it cannot be a folder, or a method of this benchmark has it.
    """
    try:
        validation.check_names({"--as": name})
    except ValueError as error:
        raise UsageError(str(error)) from error
    if name in registry.names(registry.METHODS):
        raise UsageError(f"--as {name}: this is a method of hsal-bench; use another name")


def record_file(out: Path, record: Record) -> Path:
    """Return the file of the record in the folder `out` of runs."""
    folder = out / record.data_set.name / record.method / FOLDER
    return folder / f"seed-{record.seed}" / "record.json"


def refuse_other_predictions(record: Record, path: Path) -> None:
    """Check that the file `path` is missing, or the record of the same predictions.

    Raises:
        UsageError: it is another record, or damaged.
    """
    if path.exists() and read_record(path).predictions_sha256 != record.predictions_sha256:
        raise UsageError(
            f"{path} records other predictions: use another --as or --seed, or --force to replace "
            "them"
        )
