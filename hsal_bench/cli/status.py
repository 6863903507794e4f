"""`hsal-bench status`: which runs of a folder are done, running, stalled, failed or missing."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hsal_bench.cli.common import FOLDER

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from hsal_bench.cluster.status import RunStatus

_STYLES = {"done": "green", "failed": "red", "stalled": "red", "running": "cyan"}
_WATCH_EVERY = 5.0


@click.command()
@click.argument("folder", default="runs", type=FOLDER)
@click.option("--watch", is_flag=True, help="Show the table again every few seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print the runs as JSON.")
def status(folder: Path, watch: bool, as_json: bool) -> None:
    """Show which runs are done, running or missing.

    FOLDER is the --out of `hsal-bench run`. The exact match is the latest on the validation split.
    A run is stalled if its process has given no sign of life for a minute: it was killed, and the
    same command resumes it.
    """
    from rich.console import Console
    from rich.live import Live

    from hsal_bench.cluster.status import statuses

    runs = statuses(folder)
    if as_json:
        click.echo(json.dumps([_plain(run, folder) for run in runs], indent=1))
        return
    console = Console(highlight=False)
    if not watch:
        console.print(_table(runs, folder))
        return
    with Live(_table(runs, folder), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(_WATCH_EVERY)
            live.update(_table(statuses(folder), folder), refresh=True)


def _table(runs: Sequence[RunStatus], folder: Path) -> Group:
    """Return a table of runs for each dataset and preset, with the numbers in each state below."""
    from rich.console import Group
    from rich.text import Text

    from hsal_bench.cluster.status import summary

    groups: dict[tuple[str, str], list[RunStatus]] = {}
    for run in runs:
        data_set, _, preset, _ = _places(run, folder)
        groups.setdefault((data_set, preset), []).append(run)
    tables = [
        _group(f"{data_set}, {preset}", same, folder) for (data_set, preset), same in groups.items()
    ]
    failures = [
        Text(f"{run.folder.relative_to(folder)}: {run.detail}", _STYLES["failed"])
        for run in runs
        if run.state == "failed"
    ]
    return Group(*tables, *failures, Text(summary(runs)))


def _group(title: str, runs: Sequence[RunStatus], folder: Path) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("method", overflow="fold")
    for name in ("seed", "state", "update", "exact match", "alive"):
        table.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
    table.add_column("", overflow="fold")
    for run in runs:
        _, method, _, seed = _places(run, folder)
        of = f" of {run.updates:,}" if run.updates is not None else ""
        table.add_row(
            Text(method),
            seed.removeprefix("seed-"),
            Text(run.state, _STYLES.get(run.state, "")),
            f"{run.update:,}{of}" if run.update or of else "",
            "" if run.score is None else f"{run.score:.3f}",
            "" if run.seconds is None else f"{run.seconds:,.0f} s ago",
            Text("" if run.state in ("done", "failed") else run.detail),
        )
    return table


def _places(run: RunStatus, folder: Path) -> tuple[str, str, str, str]:
    """Return the dataset, method, preset and seed in the folder of a run."""
    data_set, method, preset, seed = run.folder.relative_to(folder).parts[-4:]
    return data_set, method, preset, seed


def _plain(run: RunStatus, folder: Path) -> dict[str, object]:
    return dataclasses.asdict(run) | {"folder": str(run.folder.relative_to(folder))}
