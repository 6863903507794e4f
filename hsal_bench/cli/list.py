"""`hsal-bench list`: datasets, methods and presets, and their options."""

from __future__ import annotations

import dataclasses
import json
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import click

from hsal_bench import registry
from hsal_bench.annotations import describe
from hsal_bench.data import names as dataset_names
from hsal_bench.errors import UsageError
from hsal_bench.method.load import is_file, load_method
from hsal_bench.options import as_json as plain
from hsal_bench.options import as_text, bounds, field_types
from hsal_bench.training.presets import PRESETS

_INDENT = " " * 4
_GAP = 2
_WIDEST = 100


@dataclasses.dataclass(frozen=True)
class Listing:
    """A dataset or a method: its default options (a dataclass), and the presets' changes."""

    name: str
    kind: Literal["dataset", "method"]
    about: str
    defaults: Any
    presets: Mapping[str, Mapping[str, Any]]

    @property
    def command(self) -> str:
        """The command that sets its options."""
        if self.kind == "dataset":
            return f"hsal-bench generate {self.name} --OPTION VALUE"
        return f"hsal-bench run --model {self.name} --set OPTION=VALUE"


@dataclasses.dataclass(frozen=True)
class _Row:
    """The line of one option."""

    name: str
    default: str
    takes: str
    help: str


@click.command("list")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_all(name: str | None, as_json: bool) -> None:
    """List datasets, methods and presets, or one's options.

    NAME: a dataset, a method, a preset, or path/to/file.py:ClassName.
    """
    if name in (None, "all"):
        _list_names(as_json)
        return
    if name in PRESETS:
        _list_preset(name, as_json)
        return
    listing = _listing(name)
    if as_json:
        click.echo(json.dumps(_listing_json(listing), indent=1))
    else:
        _print_listing(listing)


def _list_names(as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_names_json(), indent=1))
        return
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    click.secho("datasets", bold=True)
    for own in registry.names(registry.GENERATORS):
        _print_about(own, dataset_names.generator_summary(own), width)
        for name, line in dataset_names.variations(own).items():
            _print_about(name, line, width, indent=4)
    for heading, abouts in (("methods", _methods()), ("presets", _presets())):
        click.secho(heading, bold=True)
        for name, line in abouts.items():
            _print_about(name, line, width)
    closing = "hsal-bench list NAME shows the options of a dataset or method, or a preset's values"
    _print_filled(closing, width, below="")


def _names_json() -> dict[str, Any]:
    about: dict[str, str] = {}
    for own in registry.names(registry.GENERATORS):
        about |= {own: dataset_names.generator_summary(own), **dataset_names.variations(own)}
    data_sets, methods, presets = list(about), _methods(), _presets()
    about |= methods | presets
    kinds = {"datasets": data_sets, "methods": list(methods), "presets": list(presets)}
    return {**kinds, "about": about}


def _presets() -> dict[str, str]:
    return {name: preset.summary for name, preset in PRESETS.items()}


def _methods() -> dict[str, str]:
    """Return the first line of each method's docstring."""
    targets = registry.targets(registry.METHODS)
    return {name: registry.docstring(target).partition("\n")[0] for name, target in targets.items()}


def _print_about(name: str, about: str, width: int, indent: int = 2) -> None:
    line = f"{name}: {about}" if about else name
    _print_filled(line, width, first=" " * indent, below=" " * (indent + 4))


def _list_preset(name: str, as_json: bool) -> None:
    numbers = dataclasses.asdict(PRESETS[name])
    if as_json:
        click.echo(json.dumps({"name": name, "kind": "preset", **numbers}, indent=1))
        return
    click.echo(f"{name}: {numbers.pop('summary')}")
    for field, value in numbers.items():
        text = value
        if isinstance(value, Mapping):
            text = ", ".join(f"{key.replace('_', ' ')} {number:,}" for key, number in value.items())
        click.echo(f"  {field.replace('_', ' ')}: {text}")


def _listing(name: str) -> Listing:
    methods = registry.names(registry.METHODS)
    if name not in methods and not is_file(name):
        return _data_set(name, [*methods, *PRESETS])
    method = load_method(name)
    config_type = getattr(method, "Config", None)
    if not isinstance(config_type, type) or not dataclasses.is_dataclass(config_type):
        raise UsageError(f"{name} has no Config: a method needs a dataclass Config of its options")
    about = (method.__doc__ or "").strip().partition("\n")[0]
    return Listing(name, "method", about, config_type(), getattr(method, "presets", {}))


def _data_set(name: str, others: Sequence[str]) -> Listing:
    generator_and_spec = dataset_names.find(name)
    if generator_and_spec is None:
        raise UsageError(
            f"no dataset, method or preset {name!r}: {dataset_names.unknown(name, others)}"
        )
    generator, spec = generator_and_spec
    return Listing(name, "dataset", dataset_names.dataset_summary(generator, name, spec), spec, {})


def _listing_json(listing: Listing) -> dict[str, Any]:
    defaults, kinds = plain(listing.defaults), field_types(type(listing.defaults))
    options = [
        {
            "name": field.name,
            "default": defaults[field.name],
            "takes": _takes(kinds[field.name], field),
            "at_least": field.metadata.get("at_least"),
            "at_most": field.metadata.get("at_most"),
            "help": field.metadata.get("help", ""),
        }
        for field in dataclasses.fields(listing.defaults)
    ]
    known = {"name": listing.name, "kind": listing.kind, "about": listing.about}
    presets = {name: dict(changes) for name, changes in listing.presets.items()}
    return {**known, "command": listing.command, "options": options, "presets": presets}


def _print_listing(listing: Listing) -> None:
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    dashes = listing.kind == "dataset"
    kinds = field_types(type(listing.defaults))
    rows = [
        _Row(
            _dashed(field.name, kinds[field.name]) if dashes else field.name,
            as_text(getattr(listing.defaults, field.name)),
            "a flag" if dashes and kinds[field.name] is bool else _takes(kinds[field.name], field),
            field.metadata.get("help", ""),
        )
        for field in dataclasses.fields(listing.defaults)
    ]
    _print_filled(f"{listing.name}: {listing.about}" if listing.about else listing.name, width)
    click.echo(f"options of `{listing.command}`\n")
    _print_rows([_Row("OPTION", "DEFAULT", "TAKES", ""), *rows], width)
    for name, changes in listing.presets.items():
        _print_filled(f"preset {name}: {_changes(changes)}", width)


def _dashed(field: str, kind: Any) -> str:
    flag = field.replace("_", "-")
    return f"--[no-]{flag}" if kind is bool else f"--{flag}"


def _print_rows(rows: Sequence[_Row], width: int) -> None:
    """Print name, default and allowed values in columns, and below them the help."""
    names = max(len(row.name) for row in rows) + _GAP
    defaults = max(len(row.default) for row in rows) + _GAP
    for row in rows:
        start = f"{row.name:{names}}{row.default:{defaults}}"
        _print_filled(start + row.takes, width, below=" " * len(start))
        _print_filled(row.help, width, first=_INDENT, below=_INDENT)


def _print_filled(text: str, width: int, first: str = "", below: str = _INDENT) -> None:
    filler = textwrap.TextWrapper(
        width,
        initial_indent=first,
        subsequent_indent=below,
        break_on_hyphens=False,
        break_long_words=False,
    )
    for line in filler.wrap(text):
        click.echo(line)


def _takes(kind: Any, field: dataclasses.Field[Any]) -> str:
    """Return the allowed values of an option, in words."""
    allowed = bounds(field)
    return f"{describe(kind)}, {allowed}" if allowed else describe(kind)


def _changes(changes: Mapping[str, Any]) -> str:
    return ", ".join(f"{field}={as_text(value)}" for field, value in changes.items()) or "default"
