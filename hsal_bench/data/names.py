"""Dataset names: those of the generators, and those of their named variations.

A generator defines its variations by two optional methods: `spec_of(name, like)` returns the spec
of a name, `family(spec)` the related names (hsal_bench/data/generator.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from hsal_bench import registry
from hsal_bench.data.generator import leaks_by_design, load_generator
from hsal_bench.errors import UsageError, suggest
from hsal_bench.options import as_text, from_json


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
