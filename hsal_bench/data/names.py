"""Data sets by name: a generator's own, and what it makes with other options under another name.

A generator tells of the latter by two optional methods: `spec_of(name, like)` returns the spec that
a name stands for, `family(spec)` the names that belong together (hsal_bench/data/generator.py).
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
    """Return (generator, spec) of the data set `name`; None: no generator makes one of that name.

    like: the config of another data set's file. What the name says nothing of is taken from it.

    Raises:
        UsageError: the generator of that very name cannot be imported; `like` is no config, or
            leaves no room for what the name says.
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
    """Return the end of an error about a data set `name` that nothing makes.

    others: names that would be as good, beside those that a generator makes.
    """
    return suggest(name, {*known(), *others})


def known() -> list[str]:
    """Return the names of generators and of what each makes beside its own, as `list` has them."""
    return [name for own in registry.names(registry.GENERATORS) for name in (own, *listed(own))]


def listed(own: str) -> dict[str, str]:
    """Return what the generator `own` makes under other names, of its default source: with lines.

    {} where it makes none, or cannot be imported.
    """
    generator = _loaded(own)
    family = _family(generator, generator.defaults) if generator else {}
    return {name: line for name, line in family.items() if name != own}


def summary(own: str) -> str:
    """Return in a line what the generator `own` makes; "" where it cannot be imported."""
    generator = _loaded(own)
    return generator.summary if generator else ""


def about(own: str, name: str, spec: Any) -> str:
    """Return in a line what the data set `name` is, which the generator `own` makes of `spec`."""
    generator: Any = load_generator(own)
    return _family(generator, spec).get(name, generator.summary)


def family(config: Mapping[str, Any]) -> list[str]:
    """Return the names of what belongs together with the data set whose file has `config`.

    Those that leak by design are left out: their test glyphs may have been trained on.
    """
    spec = _spec(config)
    if spec is None:
        return []
    generator = load_generator(config["generator"])
    return [name for name in _family(generator, spec) if not _leaks(generator, name)]


def flags(defaults: Any, spec: Any) -> list[str]:
    """Return the options of `hsal-bench generate` that make `spec` of `defaults`, as words."""
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
        return None  # another package's fault is not what the user asked about


def _spec(config: Mapping[str, Any]) -> Any:
    """Return the spec that a file's config is of; None: of no generator that is here."""
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
