"""Sources of a comparison: runs, their records, or predictions files."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from hsal_bench.compare.grouping import label
from hsal_bench.errors import UsageError
from hsal_bench.metrics.scores import METRICS_VERSION
from hsal_bench.records.find import CHECKPOINT, UNFINISHED
from hsal_bench.records.record import Record, read_record


@dataclass(frozen=True)
class Source:
    """A record with the predictions next to it, if there are any, or predictions alone.

    name: its printed name, different from that of the second source.
    """

    name: str
    path: Path
    record: Record | None
    predictions: Path | None

    @property
    def metrics_version(self) -> int:
        """The version of the metrics; predictions without a record are scored with the current."""
        return METRICS_VERSION if self.record is None else self.record.metrics_version


def sources(a: Path, b: Path) -> tuple[Source, Source]:
    """Return the sources of two paths: record files, folders of runs, or predictions files.

    Raises:
        UsageError: a path is none of these, a run did not succeed, or the two have different
            images or versions of the metrics.
    """
    one, other = _source(a), _source(b)
    _refuse_unlike(one, other)
    if one.name == other.name and one.record and other.record:
        one, other = (
            dataclasses.replace(source, name=f"{source.name}, seed {source.record.seed}")
            for source in (one, other)
            if source.record
        )
    if one.name == other.name:
        names = _names(one.path, other.path)
        one, other = (
            dataclasses.replace(source, name=name)
            for source, name in zip((one, other), names, strict=True)
        )
    return one, other


def _source(path: Path) -> Source:
    if not path.exists():
        raise UsageError(f"no record, run or predictions file {path}: name an existing one")
    file = _record_in(path) if path.is_dir() else path
    if file.suffix != ".json":
        return Source(path.name, path, None, path)
    record = read_record(file)
    if record.status != "ok":
        raise UsageError(f"{path} {record.status} ({record.reason}): there is nothing to compare")
    predictions = file.with_name("predictions.jsonl")
    return Source(label(record), path, record, predictions if predictions.is_file() else None)


def _names(a: Path, b: Path) -> tuple[str, str]:
    """Return the parts in which two paths differ; the full paths if one would be empty."""
    one, other = list(a.absolute().parts), list(b.absolute().parts)
    for end in (0, -1):
        while one and other and one[end] == other[end]:
            del one[end], other[end]
    return (str(Path(*one)), str(Path(*other))) if one and other else (str(a), str(b))


def _record_in(folder: Path) -> Path:
    file = folder / "record.json"
    if file.is_file():
        return file
    inside = sorted(folder.rglob("record.json"))
    if inside:
        runs = f"holds {len(inside)} runs" if len(inside) > 1 else "holds a run"
        raise UsageError(f"{folder} {runs}: name one, such as {inside[0].parent}")
    stopped = (folder / CHECKPOINT).exists()
    remedy = UNFINISHED if stopped else "name a run's folder, or a predictions file"
    raise UsageError(f"no record.json in {folder}: {remedy}")


def _refuse_unlike(a: Source, b: Source) -> None:
    if a.record and b.record:
        one, other = a.record.data_set, b.record.data_set
        if one.content_sha256 != other.content_sha256:
            raise UsageError(
                f"{a.path} was tested on {one.name} (content {one.content_sha256[:8]}), {b.path} "
                f"on {other.name} (content {other.content_sha256[:8]}): compare runs tested on "
                "the same data"
            )
    if a.metrics_version != b.metrics_version:
        raise UsageError(
            f"{a.path} was scored with metrics {a.metrics_version}, {b.path} with "
            f"{b.metrics_version}: evaluate the older again"
        )
