"""`hsal-bench list`: what there is, and what can be set on it."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from typing import Any, Literal

import click

from hsal_bench import registry
from hsal_bench.errors import UsageError, suggest
from hsal_bench.options import as_json as plain
from hsal_bench.options import as_text, bounds, field_types
from hsal_bench.presets import PRESETS

_KINDS = {bool: "yes or no", int: "whole number", float: "number", str: "text"}


@dataclasses.dataclass(frozen=True)
class Entry:
    """A data set or a method: its defaults (a dataclass), and the presets' changes to them."""

    name: str
    kind: Literal["data set", "method"]
    about: str
    defaults: Any
    presets: Mapping[str, Mapping[str, Any]]

    @property
    def command(self) -> str:
        """How its options are given."""
        if self.kind == "data set":
            return f"hsal-bench generate {self.name} --OPTION VALUE"
        return f"hsal-bench run --model {self.name} --set OPTION=VALUE"


@click.command("list")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_all(name: str | None, as_json: bool) -> None:
    """List the data sets, methods and presets there are, or the options of one.

    NAME: a data set, a method, or path/to/file.py:ClassName.
    """
    if name is None:
        _list_names(as_json)
        return
    entry = _entry(name)
    if as_json:
        click.echo(json.dumps(_entry_json(entry), indent=1))
    else:
        _print_entry(entry)


def _list_names(as_json: bool) -> None:
    found = {
        "data sets": registry.names(registry.GENERATORS),
        "methods": registry.names(registry.METHODS),
        "presets": list(PRESETS),
    }
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for kind, names in found.items():
        click.secho(kind, bold=True)
        for name in names:
            about = f": {PRESETS[name].summary}" if kind == "presets" else ""
            click.echo(f"  {name}{about}")
    click.echo("hsal-bench list NAME shows the options of a data set or a method")


def _entry(name: str) -> Entry:
    data_sets, methods = registry.names(registry.GENERATORS), registry.names(registry.METHODS)
    if name in data_sets:
        generator = registry.load_generator(name)
        return Entry(name, "data set", generator.summary, generator.defaults, {})
    if name not in methods and ".py:" not in name:
        known = [*data_sets, *methods]
        raise UsageError(f"no data set or method {name!r}: {suggest(name, known)}")
    method = registry.load_method(name)
    config_type = getattr(method, "Config", None)
    if not isinstance(config_type, type) or not dataclasses.is_dataclass(config_type):
        raise UsageError(f"{name} has no Config: a method's class holds its options' dataclass")
    about = (method.__doc__ or "").strip().partition("\n")[0]
    return Entry(name, "method", about, config_type(), getattr(method, "presets", {}))


def _entry_json(entry: Entry) -> dict[str, Any]:
    defaults, kinds = plain(entry.defaults), field_types(type(entry.defaults))
    options = [
        {
            "name": field.name,
            "default": defaults[field.name],
            "takes": _takes(kinds[field.name], field),
            "at_least": field.metadata.get("at_least"),
            "at_most": field.metadata.get("at_most"),
            "help": field.metadata.get("help", ""),
        }
        for field in dataclasses.fields(entry.defaults)
    ]
    known = {"name": entry.name, "kind": entry.kind, "about": entry.about}
    presets = {name: dict(changes) for name, changes in entry.presets.items()}
    return {**known, "command": entry.command, "options": options, "presets": presets}


def _print_entry(entry: Entry) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    dashes = entry.kind == "data set"
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    table.add_column("option", no_wrap=True)
    for heading in ("default", "takes", "help"):
        table.add_column(heading, overflow="fold")
    kinds = field_types(type(entry.defaults))
    for field in dataclasses.fields(entry.defaults):
        shown = f"--{field.name.replace('_', '-')}" if dashes else field.name
        default = as_text(getattr(entry.defaults, field.name))
        takes = _takes(kinds[field.name], field)
        table.add_row(shown, default, takes, field.metadata.get("help", ""))
    # No markup: a help may speak of [0, 1].
    console = Console(highlight=False, markup=False)
    console.print(f"{entry.name}: {entry.about}" if entry.about else entry.name)
    console.print(f"options for `{entry.command}`")
    console.print(table)
    for name, changes in entry.presets.items():
        console.print(f"preset {name}: {_changes(changes)}")


def _takes(kind: Any, field: dataclasses.Field[Any]) -> str:
    """Return what values an option takes, in words."""
    allowed = bounds(field)
    return f"{_kind(kind)}, {allowed}" if allowed else _kind(kind)


def _kind(kind: Any) -> str:
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is Literal:
        return ", ".join(map(str, arguments))
    if typing.get_origin(kind) is tuple:
        return f"{_kind(arguments[0])}, several with commas"
    if arguments:  # one of several: its first that is not None
        return _kind(next(part for part in arguments if part is not type(None))) + " or none"
    return _KINDS.get(kind, str(kind))


def _changes(changes: Mapping[str, Any]) -> str:
    return ", ".join(f"{field}={as_text(value)}" for field, value in changes.items()) or "as it is"
