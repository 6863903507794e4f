"""The provenance of a dataset: the command and options that generate it, and its `About`.

A generator gives the latter by an optional method `about(spec) -> About`.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hsal_bench import registry
from hsal_bench.data.generator import About, load_generator
from hsal_bench.data.names import flags
from hsal_bench.errors import UsageError
from hsal_bench.options import as_text, from_json


@dataclass(frozen=True)
class Provenance:
    """The provenance of one dataset.

    command: generates it, "" if its generator is not installed. options: (name, value, meaning).
    missing: why only the options are known, or "". about: None if the generator gives none.
    """

    command: str
    options: tuple[tuple[str, str, str], ...]
    missing: str = ""
    about: About | None = None


def of_config(config: Mapping[str, Any]) -> Provenance:
    """Return the provenance of a dataset file whose header has `config`."""
    fields = dict(config)
    name = fields.pop("generator", None)
    options = tuple((field, _plain(value), "") for field, value in fields.items())
    if name is None:
        return Provenance("", options, "its config names no generator")
    if name not in registry.names(registry.GENERATORS):
        return Provenance("", options, f"its generator {name!r} is not installed")
    try:
        return of_spec(name, from_json(type(load_generator(name).defaults), fields, name))
    except UsageError as error:
        return Provenance("", options, f"its generator {name!r} failed ({error})")


def of_spec(name: str, spec: Any) -> Provenance:
    """Return the provenance of the dataset `spec` of the generator `name`.

    Raises:
        UsageError: no such generator, or it cannot be imported.
    """
    generator: Any = load_generator(name)
    options = tuple(
        (field.name, as_text(getattr(spec, field.name)), field.metadata.get("help", ""))
        for field in dataclasses.fields(spec)
    )
    about = generator.about(spec) if hasattr(generator, "about") else None
    return Provenance(_command(name, generator.defaults, spec), options, about=about)


def _command(name: str, defaults: Any, spec: Any) -> str:
    return shlex.join(["hsal-bench", "generate", name, *flags(defaults, spec)])


def _plain(value: Any) -> str:
    return as_text(tuple(value) if isinstance(value, list) else value)
