"""Finding a data set by name or file, and building it where it is missing."""

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
from hsal_bench.errors import UsageError

MAY_DIFFER = ("source", "seed", *SPLITS)
"""Fields in which a companion may differ: glyphs are compared by their hash, not their name."""


def find_or_build(
    name: str,
    datasets: Path,
    data_dir: Path,
    like: Mapping[str, Any] | None = None,
    check: Callable[[Outline], None] | None = None,
) -> Path:
    """Return the file of a data set: `name` itself if it is a file, else NAME.h5 in `datasets`.

    A name that a generator makes is built there, saying so, if there is no such file; like the data
    set whose config `like` is, but for what the name says. `check` is asked before that, when the
    source has been read.

    Raises:
        UsageError: neither a file nor a known name; whatever the generator or `check` refuses.
    """
    if _is_file(name):
        return Path(name)
    require_known(name, datasets)
    path = datasets / f"{name}.h5"
    if path.exists():
        return path
    return _build(generation.plan([name], {}, datasets, like=like), data_dir, check)


def require_known(name: str, datasets: Path) -> None:
    """Check that a data set is a file or one that can be built, before either is done.

    Raises:
        UsageError: neither.
    """
    if _is_file(name):
        if not Path(name).is_file():
            raise UsageError(f"no data set file {name}: build it with `hsal-bench generate`")
    elif Path(name).is_file():
        raise UsageError(f"{name} is a file, but no data set: those end with .h5")
    elif not (datasets / f"{name}.h5").exists() and dataset_names.find(name) is None:
        built = [file.stem for file in datasets.glob("*.h5")]
        raise UsageError(
            f"no data set {name!r} in {datasets}: {dataset_names.unknown(name, built)}"
        )


def outline(name: str, datasets: Path, like: Mapping[str, Any]) -> Outline:
    """Return what is known of the data set that `find_or_build` would build, without its source.

    Nothing of one that is there: its file tells.

    Raises:
        UsageError: whatever the generator refuses.
    """
    if _is_file(name) or (datasets / f"{name}.h5").exists():
        return Outline()
    if found := dataset_names.find(name, like):
        generator: Any = load_generator(found[0])
        if hasattr(generator, "outline"):
            return generator.outline(found[1])
    return Outline()


def find_or_build_single(data: DataFile, datasets: Path, data_dir: Path) -> Path | None:
    """Return the single-object data set that goes with `data`, built if it is missing.

    None: there is none, and the activation model is fine-tuned on the images themselves.

    Raises:
        UsageError: the file of that name is of other glyphs, or its images look otherwise.
    """
    job = _companion(data, datasets)
    if job is None:
        return None
    if not job.path.exists():
        return _build([job], data_dir)
    with open_data(job.path) as single:
        if single.header.source_sha256 != data.header.source_sha256:
            raise UsageError(
                f"{job.path} and {data.path} are of different glyphs: move the first away, or name "
                "another folder with --datasets"
            )
        stored = single.header.config
        compared = [name for name in {**job.config, **stored} if name not in MAY_DIFFER]
        if changes := options.difference(stored, job.config, compared):
            raise UsageError(
                f"{job.path} does not match {data.path}, it was generated with {changes}: use "
                "--datasets to name another folder (it is built there), or move it away"
            )
    return job.path


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
        click.echo(generation.make(planned, recipe), err=True)
    return job.path
