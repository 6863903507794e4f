"""The result record: one JSON file per run, the only source of the numbers in a table.

Predictions that were made elsewhere and scored here have one too.

It is validated when it is made, and again when it is read. NaN (exact match over no image, say)
is null in the file; an infinite number is refused.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hsal_bench import jsonio
from hsal_bench.errors import UsageError
from hsal_bench.files import write_text
from hsal_bench.hashes import check_sha256
from hsal_bench.jsonio import typed
from hsal_bench.records import validation
from hsal_bench.records.external_entry import Statement
from hsal_bench.text import file_name

if TYPE_CHECKING:
    import numpy as np

    from hsal_bench.data.file import DataFile

RECORD_VERSION = 1
_ROUNDING = 1e-9
_HASHES = ("method_sha256", "predictions_sha256")


@dataclass(frozen=True)
class DataSet:
    """What a run was trained or tested on. `file` is a name without its folder.

    sizes: images by split.
    """

    name: str
    content_sha256: str
    sizes: Mapping[str, int]
    file: str

    def __post_init__(self) -> None:
        if "/" in self.file or "\\" in self.file:
            raise ValueError(f"file is {self.file!r}: the name alone, without its folder")
        check_sha256({"content_sha256": self.content_sha256})
        validation.check_not_negative({f"sizes.{name}": n for name, n in self.sizes.items()})

    @classmethod
    def of(cls, data: DataFile) -> DataSet:
        """Return what a record says of an open data set file."""
        header, sizes = data.header, dict(data.layout.sizes)
        return cls(header.name, header.content_sha256, sizes, file_name(data.path.name))


@dataclass(frozen=True)
class Activation:
    """The frozen activation model; `weights` says where they came from, in words.

    precision: of its arithmetic, and seed: of its fine-tuning, where the record tells.
    recipe_sha256: where every seed of a run has an activation model of its own, what those models
    share: a hash of all that decides them but the seed. None: one model for all seeds. input_size:
    pixels of the side to which it resizes images, None for the backbone's usual one.
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
        hashes = {"sha256": self.sha256, "recipe_sha256": self.recipe_sha256}
        check_sha256(hashes)

    @property
    def weak(self) -> bool:
        """Whether it has fewer than 80 % right, as far as is known: methods learn little on it."""
        return self.single_object_accuracy is not None and self.single_object_accuracy < 0.8


@dataclass(frozen=True)
class Correct:
    """Which test examples were predicted exactly: packed bits (first in the highest), base64."""

    length: int
    bits: str

    def __post_init__(self) -> None:
        try:
            size = len(base64.b64decode(self.bits, validate=True))
        except binascii.Error as error:
            raise ValueError(f"bits is not base64 ({error})") from error
        if size != -(-self.length // 8):
            raise ValueError(f"bits holds {size} bytes, which is not {self.length} examples")

    @property
    def right(self) -> int:
        """How many were predicted exactly."""
        packed = base64.b64decode(self.bits)
        # Without numpy, which is slow to import; the last byte may be longer than the examples.
        return (int.from_bytes(packed, "big") >> 8 * len(packed) - self.length).bit_count()


@dataclass(frozen=True)
class PeakMemory:
    """Most memory held, in bytes: resident in the process since it started (the activation stage
    and earlier runs count), and allocated on the device during the run.

    resident: the part of the device's that was allocated before the method was built (the data).
    """

    process: int | None = None
    device: int | None = None
    resident: int | None = None


@dataclass(frozen=True)
class Environment:
    """Versions of what the run ran on; `cuda` and `hip` (ROCm) are None for builds without them."""

    python: str
    hsal_bench: str
    torch: str
    numpy: str
    h5py: str
    cuda: str | None
    platform: str
    hip: str | None = None


@dataclass(frozen=True)
class Git:
    """The checkout's commit, and whether its files differed from it."""

    revision: str
    dirty: bool


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run. `metrics` are those of the whole test split, attention metrics among them.

    `reason` says why a run is not "ok"; such a run has neither metrics nor correctness.
    `method_sha256` is that of the file a method was given as, None for one found by name.
    `settings` names the variant: the fields of `config` that the user set to something other than
    the preset's, as texts, and an activation model other than the preset's. `budget` holds
    "updates", "batch_size" and whatever else limits a run, `updates` those that were made,
    `selected_update` the one whose state scored best on the validation split and was tested. Each
    line of `curve` holds "update" and losses or validation metrics by name. `wall_s` is the time
    of training in seconds, throughputs are in examples per second, `started` is ISO 8601 with its
    time zone, `command` makes the same run again.

    `resumed_on` holds the kinds of device of a training that changed it ("cuda", "cpu"), in order;
    it is empty for others. Random numbers start anew at a change.

    `predictions_sha256` is `predictions.counts_sha256` of what was predicted; older records have
    none.

    `trained_on` is the data set that the method was trained on where that is not `data_set`, on
    whose test split alone it was evaluated then: budget, updates and time are those of the
    training, and there is no curve.

    `stated` is what its authors say of an entry whose predictions were made elsewhere, None for a
    run. Of such an entry budget, environment, updates and time are not known (empty, or None), its
    `parameters` are as stated, and `started` is when it was scored.

    Raises:
        ValueError: the fields contradict each other, or hold what `validation` refuses.
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
            raise ValueError("status is 'ok': that takes metrics, correct and an empty reason")
        if self.status != "ok" and (not self.reason or self.metrics or self.correct):
            raise ValueError(f"status is {self.status!r}: that takes a reason and no metrics")
        self._check_values()
        self._check_correct()
        if self.trained_on is not None and self.curve:
            raise ValueError("trained_on is given with a curve: that is of the data set trained on")
        self._check_origin()
        validation.check_time(self.started, "started")

    def _check_values(self) -> None:
        """Refuse what cannot be computed with or shown."""
        if not self.method:
            raise ValueError("method is empty: it takes a name")
        validation.check_values(self)
        check_sha256({name: getattr(self, name) for name in _HASHES})
        validation.check_amounts(vars(self))
        validation.check_shares(self.metrics, "metrics")
        validation.check_curve(self.curve)
        if "test" not in self.data_set.sizes:
            raise ValueError("data_set.sizes lacks test: metrics are of that split")

    def _check_correct(self) -> None:
        """Refuse correctness that is not of the test split, or does not make the exact match."""
        if self.correct is None:
            return
        images, right = self.data_set.sizes["test"], self.correct.right
        if not 0 < images == self.correct.length:
            raise ValueError(
                f"correct is of {self.correct.length} examples, and data_set.sizes.test is {images}"
            )
        exact_match = self.metrics.get("exact_match")
        if exact_match is None or not abs(exact_match - right / images) <= _ROUNDING:
            raise ValueError(
                f"metrics.exact_match is {exact_match}, and correct has {right} of {images} right"
            )

    def _check_origin(self) -> None:
        """Refuse a run without what is known of every run, and an entry that claims to be one."""
        if self.stated is None:
            if missing := {"updates", "batch_size"} - set(self.budget):
                raise ValueError(f"budget lacks {sorted(missing)[0]}")
            if None in (self.environment, self.updates, self.wall_s):
                raise ValueError("environment, updates or wall_s is null: a run has them")
            return
        known = (self.budget, self.environment, self.updates, self.wall_s, self.activation)
        if any(value not in ({}, None) for value in known):
            raise ValueError(
                "stated is given with budget, environment, updates, wall_s or activation: of what "
                "was made elsewhere they are not known"
            )


def write_record(record: Record, path: Path) -> None:
    """Write `record` to `path`, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(jsonio.without_nan(dataclasses.asdict(record)), indent=1, allow_nan=False)
    write_text(path, text + "\n")


def read_record(path: Path) -> Record:
    """Return the record in the file `path`.

    Raises:
        UsageError: no such file, not JSON, of another record version, or a field that is missing,
            unknown or not what it should be.
    """
    try:
        values = jsonio.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the record {path} ({error.strerror})") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON ({error})") from error
    version = values.get("record_version") if isinstance(values, dict) else None
    if version != RECORD_VERSION:
        found = "is not a result record" if version is None else f"has record version {version!r}"
        raise UsageError(f"{path} {found}: this hsal-bench reads record version {RECORD_VERSION}")
    record: Record = typed(Record, values, str(path))
    return record


def pack_correct(correct: np.ndarray) -> Correct:
    """Return a bool array [N] as it is kept in a record."""
    import numpy as np

    bits = np.packbits(np.asarray(correct, dtype=bool))
    return Correct(len(correct), base64.b64encode(bits.tobytes()).decode("ascii"))


def unpack_correct(correct: Correct) -> np.ndarray:
    """Return the bool array [N] that `pack_correct` was given."""
    import numpy as np

    packed = np.frombuffer(base64.b64decode(correct.bits), dtype=np.uint8)
    return np.unpackbits(packed, count=correct.length).astype(bool)
