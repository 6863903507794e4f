"""The result record: one JSON file per run, the only source of the numbers in a table.

Predictions that were made elsewhere and scored here have a record too.

A record is validated when it is created and again when it is read. NaN (for example, exact match
over no image) is null in the file; infinite numbers are refused.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hsal_bench import jsonio
from hsal_bench.errors import UsageError
from hsal_bench.files import write_text
from hsal_bench.hashes import check_sha256
from hsal_bench.jsonio import typed
from hsal_bench.record import validation
from hsal_bench.record.correct import Correct
from hsal_bench.record.environment import Environment, Git
from hsal_bench.record.external_entry import Statement
from hsal_bench.text import file_name

if TYPE_CHECKING:
    from hsal_bench.data.file import DataFile

RECORD_VERSION = 1
_ROUNDING = 1e-9
LARGEST_FILE = 2**26
"""Bytes; no record needs that many."""
_HASHES = ("method_sha256", "predictions_sha256")


@dataclass(frozen=True)
class DataSet:
    """The dataset that a run was trained or tested on.

    file: name without folder. sizes: number of images of each split.
    """

    name: str
    content_sha256: str
    sizes: Mapping[str, int]
    file: str

    def __post_init__(self) -> None:
        validation.check_names({"name": self.name})
        if "/" in self.file or "\\" in self.file:
            raise ValueError(f"file is {self.file!r}: give the file name without its folder")
        check_sha256({"content_sha256": self.content_sha256})
        validation.check_not_negative({f"sizes.{name}": n for name, n in self.sizes.items()})

    @classmethod
    def of(cls, data: DataFile) -> DataSet:
        """Return the description of an open dataset file."""
        header, sizes = data.header, dict(data.layout.sizes)
        return cls(header.name, header.content_sha256, sizes, file_name(data.path.name))


@dataclass(frozen=True)
class Activation:
    """The frozen activation model. `weights` describes in words where its weights come from.

    single_object_accuracy: share of the test images of its fine-tuning that contain an object of
    the class it predicts. precision: of its arithmetic; seed: of its fine-tuning; both None in
    older records. recipe_sha256: a hash of everything that determines the model except the seed,
    where each seed of a run has its own model; None where all seeds share one. input_size: side in
    pixels to which it resizes images; None: the backbone's default.
    """

    backbone: str
    weights: str
    sha256: str
    single_object_accuracy: float | None = None
    precision: str | None = None
    seed: int | None = None
    recipe_sha256: str | None = None
    input_size: int | None = None

    def __post_init__(self) -> None:
        validation.check_names({"backbone": self.backbone})
        check_sha256({"sha256": self.sha256, "recipe_sha256": self.recipe_sha256})

    @property
    def weak(self) -> bool:
        """Whether its accuracy is known and below 80 %: methods learn little on such a model."""
        return self.single_object_accuracy is not None and self.single_object_accuracy < 0.8


@dataclass(frozen=True)
class PeakMemory:
    """Peak memory in bytes.

    process: resident set of the process since its start, including the activation stage and
    earlier runs. device: allocated on the device during the run. resident: the share of `device`
    that was allocated before the method was built (the data).
    """

    process: int | None = None
    device: int | None = None
    resident: int | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run. `metrics` are computed on the complete test split and include attention metrics.

    `reason` says why a run is not "ok"; such a run has neither `metrics` nor `correct`.
    `method_sha256` is the hash of the method's file; None for a method found by name.
    `settings` names the variant: the fields of `config` that the user changed from the preset, as
    texts, and the activation model if it is not the preset's. `budget` holds "updates",
    "batch_size" and any other limit of the run; `updates` were made; `selected_update` scored best
    on the validation split and was tested. Each line of `curve` holds "update" and losses or
    validation metrics by name. `own_budget` marks a method with `fit` instead of updates: `budget`
    is empty, the numbers of updates are None, and the only line of `curve` is at update 0. `wall_s`
    is the training time in seconds, and `cpu_s` the CPU time of all its threads (None in older
    records); throughputs are in examples per second; `started` is ISO 8601 with a time zone;
    `command` repeats the run.

    `resumed_on` lists the kinds of device ("cuda", "cpu"), in order, if training moved from one to
    another; random numbers are reseeded at each change. Otherwise it is empty.

    `predictions_sha256` is `predictions.counts_sha256` of the predictions; None in older records.

    `trained_on` is the training dataset if it differs from `data_set`, which was then only used to
    test: budget, updates and time are those of the training, and there is no curve.

    `stated` is the authors' statement about predictions that were made elsewhere; None for a run.
    For such an entry budget, environment, updates and time are unknown (empty or None),
    `parameters` is as stated, and `started` is the time of scoring.

    Raises:
        ValueError: fields contradict each other, or `validation` refuses a value.
    """

    status: Literal["ok", "failed", "unsupported"]
    reason: str = ""
    method: str
    method_sha256: str | None = None
    config: Mapping[str, Any]
    settings: Mapping[str, str] = field(default_factory=dict)
    preset: str | None
    seed: int
    budget: Mapping[str, int]
    own_budget: bool = False
    data_set: DataSet
    trained_on: DataSet | None = None
    activation: Activation | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    correct: Correct | None = None
    predictions_sha256: str | None = None
    curve: tuple[Mapping[str, float], ...] = ()
    updates: int | None = 0
    selected_update: int | None = None
    wall_s: float | None = 0.0
    cpu_s: float | None = None
    throughput_train: float | None = None
    throughput_predict: float | None = None
    peak_memory_bytes: PeakMemory = PeakMemory()
    parameters: int | None = None
    device: str
    resumed_on: tuple[str, ...] = ()
    environment: Environment | None
    git: Git | None
    started: str
    command: str
    stated: Statement | None = None
    metrics_version: int
    record_version: int = RECORD_VERSION

    def __post_init__(self) -> None:
        if self.status == "ok" and (self.reason or not self.metrics or self.correct is None):
            raise ValueError("status 'ok' needs metrics, correct and an empty reason")
        if self.status != "ok" and (not self.reason or self.metrics or self.correct):
            raise ValueError(f"status {self.status!r} needs a reason and no metrics")
        self._check_values()
        self._check_correct()
        if self.trained_on is not None and self.curve:
            raise ValueError("trained_on excludes a curve, which belongs to the training dataset")
        self._check_origin()
        validation.check_time(self.started, "started")

    def __repr__(self) -> str:
        outcome = f"{self.status}: {self.reason}"
        if self.status == "ok":
            exact, f1 = (self.metrics.get(name, math.nan) for name in ("exact_match", "macro_f1"))
            outcome = f"ok, exact match {exact:.3f}, macro F1 {f1:.3f}"
        return f"<Record {self.method} on {self.data_set.name}, seed {self.seed}: {outcome}>"

    def _check_values(self) -> None:
        """Refuse values that cannot be computed with or displayed."""
        if not self.method:
            raise ValueError("method is empty: it needs a name")
        check_sha256({name: getattr(self, name) for name in _HASHES})
        validation.check_lengths({"method": self.method, "preset": self.preset})
        for name, value in vars(self).items():
            if name != "correct":  # its length is that of the test split
                validation.check_values(value, name)
        validation.check_amounts(vars(self))
        validation.check_shares(self.metrics, "metrics")
        validation.check_curve(self.curve)
        if "test" not in self.data_set.sizes:
            raise ValueError("data_set.sizes has no test: metrics are computed on that split")

    def _check_correct(self) -> None:
        """Refuse `correct` if its length or its share does not match the test split's metrics."""
        if self.correct is None:
            return
        images, right = self.data_set.sizes["test"], self.correct.right
        if not 0 < images == self.correct.length:
            raise ValueError(
                f"correct has {self.correct.length} examples, but data_set.sizes.test is {images}"
            )
        exact_match = self.metrics.get("exact_match")
        if exact_match is None or not abs(exact_match - right / images) <= _ROUNDING:
            raise ValueError(
                f"metrics.exact_match is {exact_match}, but correct has {right} of {images} right"
            )

    def _check_origin(self) -> None:
        """Refuse a run without the fields of a run, and an entry made elsewhere with them."""
        if self.stated is None:
            if self.own_budget and (self.budget or self.updates is not None):
                raise ValueError("own_budget excludes budget and updates")
            missing = {"updates", "batch_size"} - set(self.budget)
            if missing and not self.own_budget:
                raise ValueError(f"budget has no {sorted(missing)[0]}")
            updates = 0 if self.own_budget else self.updates
            if None in (self.environment, updates, self.wall_s):
                raise ValueError("environment, updates and wall_s of a run must not be null")
            return
        known = (self.budget, self.environment, self.updates, self.wall_s, self.activation)
        if self.own_budget or any(value not in ({}, None) for value in known):
            raise ValueError(
                "stated excludes budget, environment, updates, wall_s and activation: they are "
                "unknown for predictions made elsewhere"
            )


def write_record(record: Record, path: Path) -> None:
    """Write `record` to `path` and create its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(jsonio.without_nan(dataclasses.asdict(record)), indent=1, allow_nan=False)
    write_text(path, text + "\n")


def read_record(path: Path) -> Record:
    """Return the record in the file `path`.

    Raises:
        UsageError: the file is missing, is not JSON, has another record version, or has a field
            that is missing, unknown or invalid.
    """
    try:
        values = jsonio.parse(_text(path))
    except OSError as error:
        raise UsageError(f"cannot read the record {path} ({error.strerror})") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON ({error})") from error
    version = values.get("record_version") if isinstance(values, dict) else None
    if version != RECORD_VERSION:
        problem = "is not a result record" if version is None else f"has record version {version!r}"
        raise UsageError(f"{path} {problem}: this hsal-bench reads record version {RECORD_VERSION}")
    record: Record = typed(Record, values, str(path))
    return record


def _text(path: Path) -> str:
    if path.exists() and not path.is_file():
        raise UsageError(f"cannot read the record {path} (it is a folder, a pipe or a device)")
    if path.stat().st_size > LARGEST_FILE:
        raise UsageError(f"{path} is too large: the limit is {LARGEST_FILE:,} bytes")
    return path.read_text(encoding="utf-8")
