"""Dataset names: those of the generators, and those of their named variations.

A generator defines its variations by two optional methods: `spec_of(name, like)` returns the spec
of a name, `family(spec)` the related names (hsal_bench/data/generator.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hsal_bench import registry
from hsal_bench.data.generator import leaks_by_design, load_generator
from hsal_bench.data.manifest import number_of_shards
from hsal_bench.errors import UsageError, near_path, suggest
from hsal_bench.options import as_text, from_json
from hsal_bench.text import shell_command


def find(name: str, like: Mapping[str, Any] | None = None) -> tuple[str, Any] | None:
    """Return (generator, spec) of the dataset `name`; None: no generator has that name.

    like: the config of another dataset's file; it fills the fields that the name does not fix.

    Raises:
        UsageError: the generator `name` cannot be imported; `like` is not a config or contradicts
            the name.
    """
    known = registry.names(registry.GENERATORS)
    model = None if like is None else _spec(like)
    for own in [name] if name in known else known:
        generator = _loaded(own, required=own == name)
        spec = _spec_of(generator, name, model)
        if spec is None and own == name:
            spec = generator.defaults
        if spec is not None:
            return own, spec
    return None


def unknown(name: str, others: Iterable[str] = ()) -> str:
    """Return the end of an error about an unknown dataset `name`.

    others: valid names besides those of the generators.
    """
    return suggest(name, {*all_names(), *others})


def all_names() -> list[str]:
    """Return the names of all generators and of their variations, in the order of `list`."""
    owns = registry.names(registry.GENERATORS)
    return [name for own in owns for name in (own, *variations(own))]


def variations(own: str) -> dict[str, str]:
    """Return the variations of the generator `own` with its default source: name -> description.

    {} if it has none or cannot be imported.
    """
    generator = _loaded(own)
    family = _family(generator, generator.defaults) if generator else {}
    return {name: line for name, line in family.items() if name != own}


def generator_summary(own: str) -> str:
    """Return the one-line description of a generator, "" if it cannot be imported."""
    generator = _loaded(own)
    return generator.summary if generator else ""


def dataset_summary(own: str, name: str, spec: Any) -> str:
    """Return the one-line description of the dataset `name`, `spec` of the generator `own`."""
    generator: Any = load_generator(own)
    return _family(generator, spec).get(name, generator.summary)


def family(config: Mapping[str, Any]) -> list[str]:
    """Return the names of the datasets related to the one whose file has `config`.

    Datasets that leak by design are left out: their test glyphs may have been trained on.
    """
    spec = _spec(config)
    if spec is None:
        return []
    generator = load_generator(config["generator"])
    return [name for name in _family(generator, spec) if not _leaks(generator, name)]


def flags(defaults: Any, spec: Any) -> list[str]:
    """Return the options of `hsal-bench generate` that turn `defaults` into `spec`, as words."""
    changed = {
        field.name: getattr(spec, field.name)
        for field in dataclasses.fields(spec)
        if getattr(spec, field.name) != getattr(defaults, field.name)
    }
    return [word for field, value in changed.items() for word in _flag(field, value)]


def command(own: str, spec: Any, folder: Path, *more: str) -> str:
    """Return, in backticks, the command that generates `spec` of the generator `own` in `folder`.

    more: further options, such as "--force".
    """
    generator = load_generator(own)
    full_name = generator.data_set_name(spec)
    match = find(full_name)
    name, named = (full_name, match[1]) if match else (own, generator.defaults)
    return shell_command(
        "hsal-bench", "generate", name, *flags(named, spec), "--out", str(folder), *more
    )


def build_remedy(path: Path, *more: str, name: str = "") -> str:
    """Return how to build the dataset file `path`; "" if no generator has its name.

    "build it with `hsal-bench generate NAME --out FOLDER`". more: further options. name: of the
    dataset; by default that of the file.
    """
    try:
        match = find(name or path.stem)
    except UsageError:
        return ""
    if match is None or path.suffix != ".h5" or "," in str(getattr(match[1], "source", "")):
        return ""  # the paths of own files are unknown
    return f"build it with {command(*match, path.parent, *more)}"


def missing_remedy(path: Path, name: str = "") -> str:
    """Return the remedy for the missing dataset file `path`; `name` as for `build_remedy`."""
    built = build_remedy(path, name=name)
    return built or near_path(path) or "give a dataset file, or a name of `hsal-bench list`"


def rebuild_remedy(path: Path, config: Mapping[str, Any] | None = None) -> str:
    """Return how to replace the damaged dataset file `path`: "generate it again with `...`".

    path: may be a shard. config: of the file, if it is readable; without it the name of the file
    counts.
    """
    options = ["--force"]
    folder = path if path.is_dir() else path.parent
    if shards := number_of_shards(folder):
        path, options = folder, ["--shards", str(shards), *options]
    if config and "import" in config:
        return "import it again"
    try:
        spec = _spec(config) if config else None
    except UsageError:
        spec = None
    if config and spec is not None:
        again = command(config["generator"], spec, path.parent, *options)
        return f"generate it again with {again}"
    remedy = build_remedy(path, *options) or "build it"
    return remedy.replace("build it", "generate it again", 1)


def _loaded(own: str, *, required: bool = False) -> Any:
    try:
        return load_generator(own)
    except UsageError:
        if required:
            raise
        return None  # a broken generator must not hide the names of the others


def _spec(config: Mapping[str, Any]) -> Any:
    """Return the spec of a file's config; None: its generator is not installed."""
    fields = dict(config)
    own = fields.pop("generator", None)
    if own not in registry.names(registry.GENERATORS):
        return None
    return from_json(type(load_generator(own).defaults), fields, own)


def _family(generator: Any, spec: Any) -> dict[str, str]:
    return dict(generator.family(spec)) if hasattr(generator, "family") else {}


def _spec_of(generator: Any, name: str, like: Any) -> Any:
    if not hasattr(generator, "spec_of"):
        return None
    return generator.spec_of(name, like if isinstance(like, type(generator.defaults)) else None)


def _leaks(generator: Any, name: str) -> bool:
    spec = _spec_of(generator, name, None)
    return spec is not None and leaks_by_design(vars(spec))


def _flag(field: str, value: Any) -> list[str]:
    option = field.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", as_text(value)]
