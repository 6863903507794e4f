"""Finding a data set by name or file, and building it where it is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from joblib import cpu_count

from hsal_bench import options, registry
from hsal_bench.build import build
from hsal_bench.datafile import DataFile
from hsal_bench.errors import UsageError, suggest
from hsal_bench.files import writable_folder
from hsal_bench.progress import progress


def find_or_build(name: str, datasets: Path, data_dir: Path) -> Path:
    """Return the file of a data set: `name` itself if it is a file, else NAME.h5 in `datasets`.

    A name that a generator has is built there, saying so, if there is no such file.

    Raises:
        UsageError: neither a file nor a known name; whatever the generator refuses.
    """
    if name.endswith(".h5") or "/" in name:
        return Path(name)
    path = datasets / f"{name}.h5"
    if path.exists():
        return path
    known = registry.names(registry.GENERATORS)
    if name not in known:
        built = [file.stem for file in datasets.glob("*.h5")]
        raise UsageError(f"no data set {name!r}: {suggest(name, [*known, *built])}")
    generator = registry.load_generator(name)
    return _build(generator, generator.defaults, datasets, data_dir)


def find_or_build_single(data: DataFile, datasets: Path, data_dir: Path) -> Path | None:
    """Return the single-object data set that goes with `data`, built if it is missing.

    None: there is none, and the activation model is fine-tuned on the images themselves.
    """
    config = dict(data.header.config)
    name = config.pop("generator", None)
    if name not in registry.names(registry.GENERATORS):
        return None
    generator = registry.load_generator(name)
    spec = options.from_json(type(generator.defaults), config, str(data.path))
    companion = generator.companion(spec)
    if companion is None:
        return None
    single = registry.load_generator(companion[0])
    path = datasets / f"{single.data_set_name(companion[1])}.h5"
    return path if path.exists() else _build(single, companion[1], datasets, data_dir)


def _build(generator: Any, spec: Any, datasets: Path, data_dir: Path) -> Path:
    path = writable_folder(datasets) / f"{generator.data_set_name(spec)}.h5"
    click.echo(f"building {path}", err=True)
    recipe = generator.recipe(spec, data_dir)
    with progress(path.stem, sum(recipe.layout.sizes.values())) as advance:
        return build(recipe, path, workers=cpu_count(), progress=lambda done, _: advance(done))
