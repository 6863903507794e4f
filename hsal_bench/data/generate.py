"""The work of `hsal-bench generate`: from names and options to dataset files."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import cpu_count

from hsal_bench import registry
from hsal_bench.data import leaks
from hsal_bench.data import names as dataset_names
from hsal_bench.data.build import Run, build_file
from hsal_bench.data.classes import WARNING
from hsal_bench.data.file import open_data
from hsal_bench.data.generator import Generator, Recipe, load_generator
from hsal_bench.data.workers import worker_processes
from hsal_bench.errors import SourceUnavailable, UsageError, suggest
from hsal_bench.files import writable_folder
from hsal_bench.options import as_config, as_text, difference, field_types, option_of, replace
from hsal_bench.progress import progress
from hsal_bench.text import file_size


@dataclass(frozen=True)
class Job:
    """A dataset to generate at `path`; `up_to_date`: the file exists and matches the spec.

    force: replace an existing file. shards: as in `build_file`.
    """

    name: str
    generator: Generator
    spec: Any
    path: Path
    up_to_date: bool = False
    force: bool = False
    shards: int | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The config in the file's header."""
        return json.loads(json.dumps({"generator": self.name, **as_config(self.spec)}))


def plan(
    names: Sequence[str],
    values: Mapping[str, str],
    out: Path,
    *,
    force: bool = False,
    shards: int | None = None,
    like: Mapping[str, Any] | None = None,
) -> list[Job]:
    """Return a job for each dataset in `names` (none: the generators' own), with files in `out`.

    `values` maps fields of specs to texts; a dataset takes those it has. `like`: the config of
    another dataset; it fills the fields that a name does not fix.

    Raises:
        UsageError: an unknown name or field, an invalid value, a spec that contradicts itself or
            its name, two datasets with the same file, an existing file with a different config or
            number of shards (without `force`), or a folder that cannot be written to.
    """
    names = list(dict.fromkeys(names)) or registry.names(registry.GENERATORS)
    jobs = [_job(name, values, out, like) for name in names]
    _refuse_unused(values, jobs)
    jobs = _one_per_file(jobs)
    jobs = [dataclasses.replace(job, force=force, shards=shards) for job in jobs]
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
    """Return the jobs that are not up to date, with their recipes, before any is generated.

    `workers`: processes that a generator may use for this, by default one per available core.
    Datasets whose source is not available are skipped, and `unavailable` is called with a message
    for each; without it, or if no dataset is left, this is an error.

    Raises:
        UsageError: a generator refuses its spec.
        SourceUnavailable: see above.
    """
    pairs, left = [], len(jobs)
    for job in jobs:
        if job.up_to_date:
            continue
        try:
            with worker_processes(workers or cpu_count()):
                pairs.append((job, job.generator.recipe(job.spec, data_dir)))
        except SourceUnavailable as error:
            left -= 1
            explained = _with_alternative(job, error)
            if unavailable is None or not left:
                raise explained from None
            unavailable(f"{job.name} is skipped: {explained}")
    return pairs


def generate_file(
    job: Job,
    recipe: Recipe,
    workers: int | None = None,
    run: Run | None = None,
) -> tuple[str, list[str]]:
    """Generate the file, showing progress; return a text about it, and the warnings about it.

    Waits for another process that generates it, and then uses that file.

    `workers`: processes, by default one per available core. `run`: as in `build_file`.
    """
    images = sum(recipe.layout.sizes.values())
    existing = False

    def is_done() -> bool:
        nonlocal existing
        existing = _is_up_to_date(job)
        return existing

    started = time.monotonic()
    with progress(job.path.stem, images) as advance:
        build_file(
            recipe,
            job.path,
            workers=workers or cpu_count(),
            progress=lambda done, total: advance(done),
            is_done=is_done,
            run=run,
            shards=job.shards,
        )
    if existing:
        return f"{job.path} is up to date", []
    seconds = time.monotonic() - started
    with open_data(job.path) as data:
        header, leak, size = data.header, leaks.warning(data), file_size(data.stored_bytes)
    line = (
        f"{job.path}: {images:,} images in {seconds:.1f} s ({images / seconds:,.0f} images/s), "
        f"{size}, content {header.content_sha256}"
    )
    warnings = [note for note in header.notes if note.startswith(WARNING)]
    notes = [note for note in header.notes if note not in warnings]
    return "\n  ".join([line, *notes]), [*warnings, *([f"{WARNING}: {leak}"] if leak else [])]


def _with_alternative(job: Job, error: SourceUnavailable) -> SourceUnavailable:
    """Return the error with the command for the alternative, if there is one."""
    if error.alternative is None:
        return error
    command = dataset_names.command(job.name, error.alternative, job.path.parent)
    return SourceUnavailable(error.reason, error.alternative, f"use another source: {command}")


def _job(name: str, values: Mapping[str, str], out: Path, like: Mapping[str, Any] | None) -> Job:
    match = dataset_names.find(name, like)
    if match is None:
        raise UsageError(f"no dataset {name!r}: {dataset_names.unknown(name)}")
    own, named_spec = match
    generator = load_generator(own)
    known = field_types(type(named_spec))
    values = {field: text for field, text in values.items() if field in known}
    spec = replace(named_spec, values, name)
    full_name = generator.data_set_name(spec)
    if name not in (own, full_name):
        changed = [field for field in values if getattr(spec, field) != getattr(named_spec, field)]
        fixed = [f for f in changed if _names_another(generator, named_spec, spec, f)] or changed
        facts = ", ".join(f"{field}={as_text(getattr(named_spec, field))}" for field in fixed)
        options = ", ".join(option_of(field, getattr(spec, field)) for field in fixed)
        command = dataset_names.command(own, spec, out)
        raise UsageError(f"{name} fixes {facts}: drop {options}, or use {command}")
    return Job(own, generator, spec, out / f"{full_name}.h5")


def _names_another(generator: Generator, named_spec: Any, spec: Any, field: str) -> bool:
    """Whether the name of `named_spec` forbids the value that `spec` has for `field`."""
    try:
        changed = dataclasses.replace(named_spec, **{field: getattr(spec, field)})
    except UsageError:
        return True
    return generator.data_set_name(changed) != generator.data_set_name(named_spec)


def _refuse_unused(values: Mapping[str, str], jobs: Sequence[Job]) -> None:
    known = {field for job in jobs for field in field_types(type(job.spec))}
    for field in values:
        if field not in known:
            raise UsageError(f"no dataset has an option {field!r}: {suggest(field, known)}")


def _one_per_file(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs without repeats. Raises UsageError: two jobs have the same file."""
    owners: dict[Path, Job] = {}
    for job in jobs:
        other = owners.setdefault(job.path, job)
        if other.config != job.config:
            raise UsageError(
                f"{other.name} and {job.name} have the same file {job.path}: generate them one at "
                "a time, each with its own --out"
            )
    return list(owners.values())


def _is_up_to_date(job: Job) -> bool:
    """Whether the file needs no building. Raises UsageError: it exists in another form."""
    if job.force or not job.path.exists():
        return False
    try:
        with open_data(job.path) as data:
            stored, shards = data.header.config, len(data.shards)
    except UsageError as error:
        raise UsageError(
            f"{job.path} exists but is not a complete dataset: use --force to replace it, or "
            "another --out"
        ) from error
    if changes := difference(stored, job.config):
        raise UsageError(
            f"{job.path} was generated with {changes}: use --force to replace it, or another --out"
        )
    if job.shards not in (None, shards):
        form = f"in {shards} shards" if shards else "in one file"
        raise UsageError(f"{job.path} exists {form}: use --force to replace it, or another --out")
    return True
