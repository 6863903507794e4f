"""`hsal-bench list`: what there is."""

from __future__ import annotations

import json

import click

from hsal_bench import registry
from hsal_bench.presets import PRESETS


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_all(as_json: bool) -> None:
    """List the data sets, methods and presets there are."""
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
