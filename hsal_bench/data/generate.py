"""From the names and options of `hsal-bench generate` to data set files."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import cpu_count, parallel_config

from hsal_bench import registry
from hsal_bench.data import leaks
from hsal_bench.data import names as dataset_names
from hsal_bench.data.build import build
from hsal_bench.data.file import open_data
from hsal_bench.data.generator import Generator, Recipe, load_generator
from hsal_bench.errors import SourceUnavailable, UsageError, suggest
from hsal_bench.files import writable_folder
from hsal_bench.options import as_config, difference, field_types, replace
from hsal_bench.progress import progress


@dataclass(frozen=True)
class Job:
    """A data set to make at `path`, or one that is there already as the spec says."""

    name: str
    generator: Generator
    spec: Any
    path: Path
    up_to_date: bool = False

    @property
    def config(self) -> dict[str, Any]:
        """What the header of the file says it was made from."""
        return json.loads(json.dumps({"generator": self.name, **as_config(self.spec)}))


def plan(
    names: Sequence[str],
    values: Mapping[str, str],
    out: Path,
    *,
    force: bool = False,
    like: Mapping[str, Any] | None = None,
) -> list[Job]:
    """Return a job for each data set in `names` (none: the generators' own), with files in `out`.

    `values` maps fields of specs to texts; a data set takes those it has. `like`: the config of a
    data set that the others are made like, but for what their names say.

    Raises:
        UsageError: an unknown name or field, a text that is no value of its field, a spec that
            contradicts itself or its name, two data sets with one file, a file of another config
            without `force`, a folder that cannot be written in.
    """
    names = list(dict.fromkeys(names)) or registry.names(registry.GENERATORS)
    jobs = [_job(name, values, out, like) for name in names]
    _refuse_unused(values, jobs)
    jobs = _one_per_file(jobs)
    if not force:
        jobs = [dataclasses.replace(job, up_to_date=_is_up_to_date(job)) for job in jobs]
    if not all(job.up_to_date for job in jobs):
        writable_folder(out)
    return jobs


def recipes(
    jobs: Sequence[Job],
    data_dir: Path,
    unavailable: Callable[[str], None] | None = None,
    workers: int | None = None,
) -> list[tuple[Job, Recipe]]:
    """Return the jobs that are not up to date with their recipes: all, before any is made.

    `workers`: processes that a generator may use for this; as many as there are cores to be had.

    `unavailable` is told of each data set whose source is not to be had, and those are left out;
    without it, or with no data set left, that is an error.

    Raises:
        UsageError: whatever the generators refuse.
    """
    found, left = [], len(jobs)
    for job in jobs:
        if job.up_to_date:
            continue
        try:
            with parallel_config(n_jobs=workers or cpu_count()):
                found.append((job, job.generator.recipe(job.spec, data_dir)))
        except SourceUnavailable as error:
            left -= 1
            if unavailable is None or not left:
                raise
            unavailable(f"{job.name} is left out: {error}")
    return found


def make(job: Job, recipe: Recipe, workers: int | None = None) -> str:
    """Make the file, showing progress, and return a line about it, and its notes.

    `workers`: processes; by default as many as there are cores to be had.
    """
    images = sum(recipe.layout.sizes.values())
    started = time.monotonic()
    with progress(job.path.stem, images) as advance:
        build(
            recipe,
            job.path,
            workers=workers or cpu_count(),
            progress=lambda done, total: advance(done),
        )
    seconds = time.monotonic() - started
    with open_data(job.path) as data:
        header, warning = data.header, leaks.warning(data)
    made = (
        f"{job.path}: {images} images in {seconds:.1f} s ({images / seconds:,.0f} images/s), "
        f"{job.path.stat().st_size / 1e6:.1f} MB, content {header.content_sha256}"
    )
    return "\n  ".join(filter(None, [made, *header.notes, warning]))


def _job(name: str, values: Mapping[str, str], out: Path, like: Mapping[str, Any] | None) -> Job:
    found = dataset_names.find(name, like)
    if found is None:
        raise UsageError(f"no data set {name!r}: {dataset_names.unknown(name)}")
    own, meant = found
    generator = load_generator(own)
    known = field_types(type(meant))
    spec = replace(meant, {field: text for field, text in values.items() if field in known}, name)
    made = generator.data_set_name(spec)
    if name != own and made != name:
        changes = " ".join(dataset_names.flags(meant, spec))
        raise UsageError(
            f"{name} with {changes} is {made}: leave out what changes it, or generate {own} with "
            "all that you want"
        )
    return Job(own, generator, spec, out / f"{made}.h5")


def _refuse_unused(values: Mapping[str, str], jobs: Sequence[Job]) -> None:
    known = {field for job in jobs for field in field_types(type(job.spec))}
    for field in values:
        if field not in known:
            raise UsageError(f"no data set has an option {field!r}: {suggest(field, known)}")


def _one_per_file(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs, those that are the same once. Raises UsageError: two would be one file."""
    owners: dict[Path, Job] = {}
    for job in jobs:
        other = owners.setdefault(job.path, job)
        if other.config != job.config:
            raise UsageError(
                f"{other.name} and {job.name} would both be {job.path}: make them one at a time, "
                "with another --out"
            )
    return list(owners.values())


def _is_up_to_date(job: Job) -> bool:
    """Whether the file is there as it should be. Raises UsageError if there is another."""
    if not job.path.exists():
        return False
    try:
        with open_data(job.path) as data:
            stored = data.header.config
    except UsageError as error:
        raise UsageError(
            f"{job.path} exists but is not a complete dataset: use --force to replace it, or "
            "another --out"
        ) from error
    if changes := difference(stored, job.config):
        raise UsageError(
            f"{job.path} was generated with {changes}: use --force to replace it, or another --out"
        )
    return True
