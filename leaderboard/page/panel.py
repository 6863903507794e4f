"""The detail panel of a row: all numbers, runs, records and settings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from hsal_bench.comparison.grouping import caveats, untrained_warning
from hsal_bench.record.external_entry import UNSTATED, Statement
from hsal_bench.record.record import Record
from hsal_bench.report.columns import cell, cell_with_unit, interval, meaning, names_in, unit, value
from hsal_bench.report.rows import shown_reason
from hsal_bench.report.run_details import Fact, facts
from hsal_bench.text import shown

from .sections import Entry, Row

NONE = "—"
LONGEST_COMMAND = 4000


@dataclass(frozen=True)
class Number:
    """A number of every run, with mean ± deviation if there are several runs.

    interval: the 95 % t-interval of the mean over seeds.
    """

    name: str
    meaning: str
    mean: str
    interval: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class RunTexts:
    """The texts of a run; `href` is the link from the page to its record."""

    seed: int
    outcome: str
    tested: str
    time: str
    memory: str
    device: str
    git: str
    started: str
    file: str
    href: str
    note: str


@dataclass(frozen=True)
class Panel:
    """The content of a row's panel."""

    kind: str
    summary: str
    problems: tuple[str, ...]
    facts: tuple[Fact, ...]
    runs: tuple[RunTexts, ...]
    seeds: tuple[int, ...]
    numbers: tuple[Number, ...]
    commands: tuple[str, ...]
    stated: Statement | None


def panel(row: Row, page: Path) -> Panel:
    """Return the panel of a row, on a page written to the file `page`."""
    entries = [(entry, "") for entry in row.entries]
    entries += [
        (entry, "superseded: a later run of the same seed counts")
        for entry in row.superseded_entries
    ]
    first = (row.good or row.bad)[0]
    return Panel(
        kind=_kind(first),
        summary=_summary(row, first),
        problems=tuple(_problems(row)),
        facts=tuple(facts(row.runs)),
        runs=tuple(_run(entry, note, page) for entry, note in entries),
        seeds=tuple(run.seed for run in row.good),
        numbers=tuple(_numbers(row)),
        commands=tuple(
            dict.fromkeys(shown(run.command, LONGEST_COMMAND) for run in row.runs if run.command)
        ),
        stated=first.stated,
    )


def _kind(record: Record) -> str:
    """Return "run here"; for predictions made elsewhere "scored here", or what was submitted."""
    if record.stated == UNSTATED:
        return "scored here"
    if record.stated:
        return f"{record.stated.entry} submission"
    return "run here, own budget" if record.own_budget else "run here"


def _summary(row: Row, first: Record) -> str:
    number, seeds = len(row.runs), _listed([run.seed for run in row.runs])
    parts = [f"{number} run{'' if number == 1 else 's'} (seed{'' if number == 1 else 's'} {seeds})"]
    parts += [f"preset {first.preset}"] if first.preset else []
    parts += [f"{first.updates:,} updates"] if first.updates else []
    return ", ".join(parts)


def _problems(row: Row) -> Iterator[str]:
    for record in row.bad:
        yield f"seed {record.seed} {record.status}: {shown_reason(record)}"
    if row.missing:
        yield (
            f"seed{'' if len(row.missing) == 1 else 's'} {_listed(row.missing)} "
            f"{'is' if len(row.missing) == 1 else 'are'} missing (other methods have "
            f"{'it' if len(row.missing) == 1 else 'them'})"
        )
    yield from filter(None, [untrained_warning(row.good)])
    yield from dict.fromkeys(caveat for record in row.good for caveat in caveats(record))


def _listed(seeds: Sequence[int]) -> str:
    """Return ascending seeds as "0-4, 7"."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _run(entry: Entry, note: str, page: Path) -> RunTexts:
    record = entry.record
    memory = "peak_memory_device" if record.peak_memory_bytes.device else "peak_memory_process"
    return RunTexts(
        seed=record.seed,
        outcome=": ".join(filter(None, [record.status, shown_reason(record)])),
        tested=_updates(record),
        time=cell_with_unit("wall_s", value(record, "wall_s")),
        memory=cell_with_unit(memory, value(record, memory)),
        device=record.device or NONE,
        git=_revision(record),
        started=record.started,
        file=shown(str(entry.path)),
        href=_href(entry.path, page),
        note=note,
    )


def _updates(record: Record) -> str:
    if record.updates is None:
        return NONE
    tested = NONE if record.selected_update is None else f"{record.selected_update:,}"
    return f"{tested} of {record.updates:,}"


def _revision(record: Record) -> str:
    if record.git is None:
        return NONE
    return f"{record.git.revision[:10]}{', with changes' if record.git.dirty else ''}"


def _numbers(row: Row) -> Iterator[Number]:
    names = dict.fromkeys(name for record in row.good for name in names_in(record))
    for name in names:
        values = [value(record, name) for record in row.good]
        if any(number == number for number in values):
            texts = tuple(cell(name, number) for number in values)
            mean, std = row.mean(name)
            ends = interval(name, mean, *row.interval(name))
            described = f"{meaning(name)}, {unit(name)}".removesuffix(", ")
            yield Number(name, described, cell(name, mean, std), ends, texts)


def _href(file: Path, page: Path) -> str:
    """Return a relative link; no file name can turn it into anything but a path."""
    path = os.path.relpath(file.absolute(), page.absolute().parent)
    return f"./{quote(os.fsencode(path))}"  # file names need not be UTF-8
