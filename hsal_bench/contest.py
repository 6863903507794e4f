"""What `hsal-bench compare` compares: two records or predictions files, on the same images."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from hsal_bench.comparison import conditions, inequality, label
from hsal_bench.datafile import DataFile, open_data
from hsal_bench.errors import UsageError
from hsal_bench.metrics import METRICS_VERSION, Counts, correct
from hsal_bench.paired import Comparison, compare
from hsal_bench.predictions import counts_sha256, read_predictions
from hsal_bench.record import Record, read_record, unpack_correct

SPLIT = "test"
"""The one that records are of."""


@dataclass(frozen=True)
class Source:
    """One of the two: a record with the predictions beside it, if they are there, or those alone.

    name: what it is called in what is printed, so that the two differ.
    """

    name: str
    path: Path
    record: Record | None
    predictions: Path | None

    @property
    def metrics_version(self) -> int:
        """The version of the metrics it is scored with: what has no record is scored now."""
        return METRICS_VERSION if self.record is None else self.record.metrics_version


@dataclass(frozen=True)
class Outcome:
    """Which images are right, and the counts that were predicted, where they are there."""

    right: Bool[np.ndarray, " images"]
    counts: Counts | None


@dataclass(frozen=True)
class Contest:
    """Two sources, what they have right, and what comes of comparing them.

    file: the data set's, None where it is not there. cautions: what else has to be known, a line
    each.
    """

    sources: tuple[Source, Source]
    outcomes: tuple[Outcome, Outcome]
    data_set: str
    content: str
    split: str
    file: Path | None
    comparison: Comparison
    cautions: tuple[str, ...]


def hold(a: Path, b: Path, named: Path | None, folder: Path, split: str = SPLIT) -> Contest:
    """Compare what two paths name; the data set's file is `named`, or is looked for in `folder`.

    Raises:
        UsageError: as `sources`, `data_file` and `outcome`.
    """
    two = sources(a, b)
    file = data_file(two, named, folder)
    with open_data(file) if file else nullcontext() as data:
        outcomes = outcome(two[0], data, split), outcome(two[1], data, split)
        truth = data.read(split, "counts") if data else None
        header = data.header if data else None
    one, other = outcomes
    both = None if one.counts is None or other.counts is None else (one.counts, other.counts)
    records = [source.record.data_set for source in two if source.record]
    return Contest(
        two,
        outcomes,
        header.name if header else records[0].name,
        header.content_sha256 if header else records[0].content_sha256,
        split,
        file,
        compare(one.right, other.right, truth, both),
        (*filter(None, [_left_out(two, outcomes, file)]), *_cautions(two)),
    )


def sources(a: Path, b: Path) -> tuple[Source, Source]:
    """Return what two paths name: record files, folders of runs, or predictions files.

    Raises:
        UsageError: a path names none of these, a run did not succeed, the two are not of the same
            images or not scored alike.
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


def data_file(two: tuple[Source, Source], named: Path | None, folder: Path) -> Path | None:
    """Return the data set file of two sources: the one named, else the one of their content.

    None where no file in `folder` has the content that the records name.

    Raises:
        UsageError: no file is named and a predictions file takes one; the one named is not there,
            or is not what a record is of.
    """
    records = [source.record for source in two if source.record]
    if named is None:
        if len(records) < len(two):
            alone = next(source.path for source in two if source.record is None)
            raise UsageError(f"{alone} does not say what it is of: name it with --dataset")
        return _with_content(records[0], folder)
    with open_data(named) as data:
        content = data.header.content_sha256
    for record in records:
        if record.data_set.content_sha256 != content:
            raise UsageError(
                f"{named} has the content {content[:8]}, but {record.method} was tested on "
                f"{record.data_set.name} with the content {record.data_set.content_sha256[:8]}: "
                "name that data set"
            )
    return named


def outcome(source: Source, data: DataFile | None, split: str) -> Outcome:
    """Return what a source has right.

    Raises:
        UsageError: predictions that are not whole (`BadPredictions`), or not those of the record
            they lie beside; a record, which is of the test split, where another is asked for.
    """
    record, predictions = source.record, source.predictions
    if record is not None and split != SPLIT:
        raise UsageError(f"{source.path} is of the {SPLIT} split: leave out --split {split}")
    scored = _scored(predictions, data, split) if predictions and data else None
    recorded = Outcome(unpack_correct(record.correct), None) if record and record.correct else None
    if record and scored and recorded and not _agree(record, recorded, scored):
        raise UsageError(
            f"{predictions} is not what {source.path} was made from: run it again, or take one of "
            "the two away"
        )
    found = scored or recorded
    if found is None:
        raise ValueError(f"{source.path} takes the data set that it is of")
    return found


def _left_out(
    two: tuple[Source, Source], outcomes: tuple[Outcome, Outcome], file: Path | None
) -> str:
    """Return in a line what of the comparison cannot be had, and what it takes; "" if nothing."""
    record = next((source.record for source in two if source.record), None)
    if record and file is None:
        content = record.data_set.content_sha256[:8]
        return (
            "Left out: macro F1 and kinds of images. They take the data set file with the content "
            f"{content} ({record.data_set.name}): name it with --dataset, or its folder with "
            "--datasets."
        )
    pairs = zip(two, outcomes, strict=True)
    lacking = [str(source.path) for source, outcome in pairs if outcome.counts is None]
    where = " or ".join(lacking)
    return f"Left out: macro F1. There is no predictions.jsonl beside {where}." if lacking else ""


def _cautions(two: tuple[Source, Source]) -> list[str]:
    """Return what else differs, and what one model each cannot say."""
    a, b = (source.record for source in two)
    if a is None or b is None:
        return ["These are the two predictions, not the methods behind them."]
    told = [
        "One seed each: these two trained models, not the methods; `hsal-bench table` weighs seeds."
    ]
    trained = [run.trained_on or run.data_set for run in (a, b)]
    if trained[0].content_sha256 != trained[1].content_sha256:
        pair = zip(two, trained, strict=True)
        on = " against ".join(f"{on.name} ({source.name})" for source, on in pair)
        told.append(f"Not trained on the same data: {on}")
    given = {
        source.name: conditions(source.record)
        for source in two
        if source.record and source.record.stated is None
    }
    return [*told, *filter(None, [inequality(given)])]


def _source(path: Path) -> Source:
    if not path.exists():
        raise UsageError(f"no record, run or predictions file {path}: name one that is there")
    file = _record_in(path) if path.is_dir() else path
    if file.suffix != ".json":
        return Source(path.name, path, None, path)
    record = read_record(file)
    if record.status != "ok":
        raise UsageError(f"{path} {record.status} ({record.reason}): there is nothing to compare")
    beside = file.with_name("predictions.jsonl")
    return Source(label(record), path, record, beside if beside.is_file() else None)


def _names(a: Path, b: Path) -> tuple[str, str]:
    """Return what of two paths differs; all of them where nothing of one would be left."""
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
        raise UsageError(f"{folder} {runs}: name one, as {inside[0].parent}")
    raise UsageError(f"no record.json in {folder}: name a run's folder, or a predictions file")


def _refuse_unlike(a: Source, b: Source) -> None:
    if a.record and b.record:
        one, other = a.record.data_set, b.record.data_set
        if one.content_sha256 != other.content_sha256:
            raise UsageError(
                f"{a.path} is of {one.name} (content {one.content_sha256[:8]}), {b.path} of "
                f"{other.name} (content {other.content_sha256[:8]}): compare what was tested on "
                "the same data"
            )
    if a.metrics_version != b.metrics_version:
        raise UsageError(
            f"{a.path} was scored with metrics {a.metrics_version}, {b.path} with "
            f"{b.metrics_version}: evaluate the older again"
        )


def _with_content(record: Record, folder: Path) -> Path | None:
    wanted = record.data_set
    likely = folder / wanted.file
    others = sorted(folder.glob("*.h5")) if folder.is_dir() else []
    for path in [likely, *(path for path in others if path != likely)]:
        if path.is_file() and _content(path) == wanted.content_sha256:
            return path
    return None


def _content(path: Path) -> str:
    """Return the content hash a file names, "" where it is no data set."""
    try:
        with open_data(path) as data:
            return data.header.content_sha256
    except UsageError:
        return ""


def _scored(path: Path, data: DataFile, split: str) -> Outcome:
    counts, _ = read_predictions(path, data.layout.sizes[split], data.layout.num_classes)
    return Outcome(correct(data.read(split, "counts"), counts), counts)


def _agree(record: Record, recorded: Outcome, scored: Outcome) -> bool:
    if record.predictions_sha256 is not None and scored.counts is not None:
        return record.predictions_sha256 == counts_sha256(scored.counts)
    return np.array_equal(recorded.right, scored.right)
