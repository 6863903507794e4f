"""Sources of a comparison: runs, their records, or predictions files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hsal_bench.comparison.grouping import LONGEST_NAME, bounded, label, short_labels, variants
from hsal_bench.errors import UsageError, near_path
from hsal_bench.metrics.scores import METRICS_VERSION
from hsal_bench.record.find import CHECKPOINT, UNFINISHED
from hsal_bench.record.record import Record, read_record


@dataclass(frozen=True)
class Source:
    """A record with the predictions next to it, if there are any, or predictions alone.

    name: its printed name, different from that of the second source. full_name: the same with all
    settings of the method.
    """

    name: str
    full_name: str
    path: Path
    record: Record | None
    predictions: Path | None

    @property
    def metrics_version(self) -> int:
        """The version of the metrics; predictions without a record are scored with the current."""
        return METRICS_VERSION if self.record is None else self.record.metrics_version


def read_sources(a: Path, b: Path) -> tuple[Source, Source]:
    """Return the sources of two paths: record files, folders of runs, or predictions files.

    Names are as in tables (`grouping.short_labels`), with the seed if they differ only in that; the
    paths tell equal ones apart.

    Raises:
        UsageError: a path is none of these, a run did not succeed, or the two have different
            images or versions of the metrics.
    """
    pair = _labelled(_source(a), _source(b))
    _refuse_unlike(*pair)
    if pair[0].name == pair[1].name:
        pair = _renamed(pair, [_with_seed(source) for source in pair])
    return _renamed(pair, _distinct(a, b)) if pair[0].name == pair[1].name else pair


def _labelled(*pair: Source) -> tuple[Source, Source]:
    """Return the sources with the short labels and full names of their records' variants."""
    by_name = dict(variants([source.record for source in pair if source.record]))
    labels = short_labels(by_name)
    full_names = {id(run): name for name, runs in by_name.items() for run in runs}
    a, b = (
        dataclasses.replace(source, name=labels[name], full_name=bounded(name, LONGEST_NAME))
        if (name := full_names.get(id(source.record)))
        else source
        for source in pair
    )
    return a, b


def _renamed(pair: tuple[Source, Source], names: Iterable[str]) -> tuple[Source, Source]:
    a, b = (
        dataclasses.replace(source, name=name) for source, name in zip(pair, names, strict=True)
    )
    return a, b


def _with_seed(source: Source) -> str:
    return f"{source.name}, seed {source.record.seed}" if source.record else source.name


def _source(path: Path) -> Source:
    if not path.exists():
        remedy = near_path(path) or "give a record.json, the folder of a run, or a predictions file"
        raise UsageError(f"no record, run or predictions file {path}: {remedy}")
    file = _record_in(path) if path.is_dir() else path
    if file.suffix != ".json":
        return Source(path.name, path.name, path, None, path)
    record = read_record(file)
    if record.status != "ok":
        raise UsageError(f"{path} {record.status} ({record.reason}): there is nothing to compare")
    predictions = file.with_name("predictions.jsonl")
    name = label(record)
    return Source(name, name, path, record, predictions if predictions.is_file() else None)


def _distinct(a: Path, b: Path) -> tuple[str, str]:
    """Return where two paths differ; the full paths if one would be empty."""
    in_a, in_b = list(a.absolute().parts), list(b.absolute().parts)
    for end in (0, -1):
        while in_a and in_b and in_a[end] == in_b[end]:
            del in_a[end], in_b[end]
    return (str(Path(*in_a)), str(Path(*in_b))) if in_a and in_b else (str(a), str(b))


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
        of_a, of_b = a.record.data_set, b.record.data_set
        if of_a.content_sha256 != of_b.content_sha256:
            raise UsageError(
                f"{a.path} was tested on {of_a.name} (content {of_a.content_sha256[:8]}), {b.path} "
                f"on {of_b.name} (content {of_b.content_sha256[:8]}): compare runs tested on "
                "the same data"
            )
    if a.metrics_version != b.metrics_version:
        raise UsageError(
            f"{a.path} was scored with metrics {a.metrics_version}, {b.path} with "
            f"{b.metrics_version}: evaluate the older again"
        )
