"""Finding a dataset by name or file, and building it if it is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from hsal_bench import options, registry
from hsal_bench.data import generate as generation
from hsal_bench.data import names as dataset_names
from hsal_bench.data.file import DataFile, open_data
from hsal_bench.data.generator import Outline, load_generator
from hsal_bench.data.schema import SPLITS
from hsal_bench.errors import SourceUnavailable, UsageError

MAY_DIFFER = ("source", "seed", *SPLITS)
"""Fields in which a companion may differ: its glyphs are compared by hash, not by name."""


def find_or_build(
    name: str,
    datasets: Path,
    data_dir: Path,
    like: Mapping[str, Any] | None = None,
    check: Callable[[Outline], None] | None = None,
) -> Path:
    """Return the file of a dataset: `name` itself if it is a file, else NAME.h5 in `datasets`.

    A missing file is built, with a message. `like`, the config of another dataset, fills the fields
    that the name does not fix. `check` is called before the build, once the source has been read.

    Raises:
        UsageError: neither a file nor a known name; the generator or `check` refuses.
    """
    if _is_file(name):
        return Path(name)
    require_known(name, datasets)
    path = datasets / f"{name}.h5"
    if path.exists():
        return path
    jobs = generation.plan([name], {}, datasets, like=like)
    try:
        return _build(jobs, data_dir, check)
    except SourceUnavailable as error:
        # A companion of other data needs the source of those: nothing replaces it.
        instead = "" if like or error.alternative is None else _instead(jobs[0], error.alternative)
        raise SourceUnavailable(error.reason, instead=instead) from None


def existing(name: str, datasets: Path) -> Path | None:
    """Return the file of a dataset as `find_or_build` finds it; None if it is not built yet."""
    path = Path(name) if _is_file(name) else datasets / f"{name}.h5"
    return path if path.exists() else None


def name_of(name: str, datasets: Path) -> str:
    """Return the name of the dataset `name`, which may be a file or not built yet."""
    path = existing(name, datasets)
    if path is None:
        return name
    with open_data(path) as data:
        return data.header.name


def require_known(name: str, datasets: Path) -> None:
    """Check that a dataset is a file or can be built, without opening or building it.

    Raises:
        UsageError: it is neither.
    """
    path = Path(name)
    if path.is_dir() and path.suffix != ".h5" and ("/" in name or not _is_known(name, datasets)):
        raise UsageError(
            f"{name} is a folder: name a dataset, and its folder with --datasets {name}"
        )
    if _is_file(name):
        if not path.exists():
            remedy = dataset_names.missing_remedy(path)
            raise UsageError(f"no dataset file {name}: {remedy}")
    elif path.is_file():
        raise UsageError(f"{name} is not a dataset: give a file that ends with .h5")
    elif not _is_known(name, datasets):
        built = {file.stem for file in datasets.glob("*.h5")}
        own = sorted(built.difference(dataset_names.all_names()))
        files = f" (only as files in {datasets}: {', '.join(own)})" if own else ""
        remedy = dataset_names.unknown(name, built)
        raise UsageError(f"no dataset {name!r} in {datasets}: {remedy}{files}")


def _is_known(name: str, datasets: Path) -> bool:
    return (datasets / f"{name}.h5").exists() or dataset_names.find(name) is not None


def outline(name: str, datasets: Path, like: Mapping[str, Any]) -> Outline:
    """Return the outline of the dataset that `find_or_build` would build, without its source.

    It is empty if the file exists: the file itself has the shapes and classes.

    Raises:
        UsageError: the generator refuses.
    """
    if _is_file(name) or (datasets / f"{name}.h5").exists():
        return Outline()
    if match := dataset_names.find(name, like):
        own, spec = match
        generator: Any = load_generator(own)
        if hasattr(generator, "outline"):
            return generator.outline(spec)
    return Outline()


def lacks_single(data: DataFile, datasets: Path) -> bool:
    """Return whether `find_or_build_single` would build a dataset."""
    job = _companion(data, datasets)
    return job is not None and not job.path.exists()


def find_or_build_single(data: DataFile, datasets: Path, data_dir: Path) -> Path | None:
    """Return the single-object dataset that matches `data`, built if it is missing.

    None: there is none, and the activation model is fine-tuned on the images of `data`.

    Raises:
        UsageError: the existing file has different glyphs, or a different config.
    """
    job = _companion(data, datasets)
    if job is None:
        return None
    if not job.path.exists():
        try:
            return _build([job], data_dir)
        except SourceUnavailable as error:
            raise SourceUnavailable(error.reason) from None
    with open_data(job.path) as single:
        if single.header.source_sha256 != data.header.source_sha256:
            raise UsageError(
                f"{job.path} and {data.path} have different glyphs: move the first away, or use "
                "--datasets to name another folder"
            )
        stored = single.header.config
        compared = [name for name in {**job.config, **stored} if name not in MAY_DIFFER]
        if changes := options.difference(stored, job.config, compared):
            raise UsageError(
                f"{job.path} does not match {data.path}, it was generated with {changes}: use "
                "--datasets to name another folder (it is built there), or move it away"
            )
    return job.path


def _instead(job: generation.Job, alternative: Any) -> str:
    return f"use the dataset {job.generator.data_set_name(alternative)}"


def _is_file(name: str) -> bool:
    return name.endswith(".h5") or "/" in name


def _companion(data: DataFile, datasets: Path) -> generation.Job | None:
    config = dict(data.header.config)
    name = config.pop("generator", None)
    if name not in registry.names(registry.GENERATORS):
        return None
    generator = load_generator(name)
    spec = options.from_json(type(generator.defaults), config, str(data.path))
    companion = generator.companion(spec)
    if companion is None:
        return None
    single = load_generator(companion[0])
    path = datasets / f"{single.data_set_name(companion[1])}.h5"
    return generation.Job(companion[0], single, companion[1], path)


def _build(
    jobs: list[generation.Job],
    data_dir: Path,
    check: Callable[[Outline], None] | None = None,
) -> Path:
    (job,) = jobs
    click.echo(f"{job.path} is missing: building it", err=True)
    for planned, recipe in generation.recipes(jobs, data_dir):
        if check is not None:
            check(Outline(recipe.layout.image_shape, recipe.header.class_names))
        text, warnings = generation.generate_file(planned, recipe)
        click.echo("\n".join([text, *warnings]), err=True)
    return job.path
