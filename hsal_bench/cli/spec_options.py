"""Command-line options for the fields of dataset specs, with their help and defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import click

from hsal_bench import registry
from hsal_bench.annotations import metavar
from hsal_bench.data import names as dataset_names
from hsal_bench.data.generator import load_generator
from hsal_bench.options import as_text, field_types

_NAMED = "hsal_bench.cli.spec_options.named"


class SpecCommand(click.Command):
    """A command with the options of the datasets it names, or of all datasets if it names none.

    The value of an option is the user's text, of a flag a bool; None if the option is not given.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note the datasets on the command line, then parse it with their options."""
        words = dict.fromkeys(word for word in args if not word.startswith("-"))
        named = {word: known[1] for word in words if (known := dataset_names.find(word))}
        ctx.meta[_NAMED] = named or {
            name: load_generator(name).defaults for name in registry.names(registry.GENERATORS)
        }
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options of the datasets, then the command's own parameters."""
        named = ctx.meta.get(_NAMED, {})
        return [*spec_options(named), *super().get_params(ctx)]


def spec_options(named: Mapping[str, Any]) -> list[click.Parameter]:
    """Return one option for each field of the specs. `named`: dataset name -> spec."""
    owners: dict[str, dict[str, Any]] = {}
    for name, spec in named.items():
        for field in dataclasses.fields(spec):
            owners.setdefault(field.name, {})[name] = spec
    return [_option(field, specs) for field, specs in owners.items()]


def _option(field_name: str, specs: Mapping[str, Any]) -> click.Option:
    first = next(iter(specs.values()))
    field = next(field for field in dataclasses.fields(first) if field.name == field_name)
    kind = field_types(type(first))[field_name]
    flag = "--" + field_name.replace("_", "-")
    help = f"{field.metadata.get('help', '')}  [default: {_default(field_name, specs)}]"
    if kind is bool:
        off = flag.replace("--", "--no-", 1)
        return click.Option([f"{flag}/{off}", field_name], default=None, help=help)
    return click.Option([flag, field_name], metavar=metavar(kind), help=help)


def _default(field_name: str, specs: Mapping[str, Any]) -> str:
    """Return the default as a user would write it, per dataset where they differ."""
    texts = {name: as_text(getattr(spec, field_name)) for name, spec in specs.items()}
    common = max(texts.values(), key=list(texts.values()).count)
    others = "".join(f"; {name}: {text}" for name, text in texts.items() if text != common)
    return common + others
