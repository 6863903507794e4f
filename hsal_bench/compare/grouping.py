"""Which runs are the same but for the seed, what such runs are called, and what they were given."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from hsal_bench.records.record import Activation, Record
from hsal_bench.text import named

NONE = "—"
_IMAGES = "none (images)"
_WORDS = {"budget_eval_every": "updates between validations"}


def label(record: Record) -> str:
    """Return the method with the settings the user gave it, as its folder is named."""
    settings = sorted(record.settings.items())
    return "+".join([record.method, *(f"{key}={text}" for key, text in settings)])


def variants(records: Sequence[Record]) -> Iterator[tuple[str, list[Record]]]:
    """Yield the runs that differ in nothing but the seed (and the data), under a name of their own.

    The name is the label; where runs of one label differ all the same, brackets say in what.
    """
    labels: dict[str, list[Record]] = {}
    for record in records:
        labels.setdefault(label(record), []).append(record)
    for name in sorted(labels):
        for told, runs in _told_apart(labels[name]).items():
            yield f"{name} [{told}]" if told else name, runs


def latest_per_seed(runs: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Return one run per seed, the latest started, in the seeds' order; and those before them.

    A seed that was run again counts once, with what the method is now.
    """
    started = sorted(runs, key=lambda run: datetime.fromisoformat(run.started))
    by_seed = {run.seed: run for run in started}
    latest = [by_seed[seed] for seed in sorted(by_seed)]
    superseded = [run for run in started if run is not by_seed[run.seed]]
    return latest, superseded


def seeds_asked(methods: Mapping[str, Sequence[Record]]) -> dict[str, set[int]]:
    """Return the seeds that each method should have: all that were run; its own, made elsewhere."""
    shared = {run.seed for runs in methods.values() for run in runs if run.stated is None}
    return {
        name: shared if runs[0].stated is None else {run.seed for run in runs}
        for name, runs in methods.items()
    }


def caveats(record: Record) -> Iterator[str]:
    """Yield what a table must say of a run: a weak activation model, a change of device."""
    model = record.activation
    if model is not None and model.weak:
        accuracy = 100 * (model.single_object_accuracy or 0.0)
        yield f"weak activation model: {accuracy:.1f} % single-object accuracy"
    if record.resumed_on:
        kinds = ", then ".join(record.resumed_on)
        yield f"seed {record.seed} trained on {kinds}: not the result of either alone"


def unhelped(runs: Sequence[Record]) -> str:
    """Return what a table must say of runs that were best before they were trained; "" of none."""
    seeds = [str(run.seed) for run in runs if run.status == "ok" and run.selected_update == 0]
    told = f"seed {', '.join(seeds)} tested at update 0: training did not help on validation"
    return told if seeds else ""


def conditions(record: Record) -> dict[str, Any]:
    """Return what a run was given that a fair comparison gives to all alike, by name.

    Nothing is known of that where the predictions were made elsewhere.
    """
    if record.stated is not None:
        return {}
    activation = record.activation
    return {
        "preset": record.preset or NONE,
        **{f"budget_{name}": value for name, value in record.budget.items()},
        "activations": f"{activation.backbone} {_key(activation)}" if activation else _IMAGES,
    }


def activation_models(record: Record) -> str:
    """Return whether seeds share the activation model, in words; "" where there is none."""
    if record.activation is None:
        return ""
    return "one per seed" if record.activation.recipe_sha256 else "one for all seeds"


def inequality(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return in a line how the conditions of a table's rows, by their names, differ; "" if not.

    "Not under equal conditions: updates 6,000 (a and b) against updates 400 (c, d, e and 9 more)"
    """
    names = dict.fromkeys(name for given in rows.values() for name in given)
    unequal = [name for name in names if len({given.get(name) for given in rows.values()}) > 1]
    sides: dict[str, list[str]] = {}
    for row, given in rows.items():
        told = ", ".join(_spoken(name, given.get(name, NONE)) for name in unequal)
        sides.setdefault(told, []).append(row)
    against = " against ".join(f"{told} ({named(rows)})" for told, rows in sides.items())
    return f"Not under equal conditions: {against}" if unequal else ""


def _told_apart(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Return the runs by what tells them apart, "" for all if nothing does."""
    settings = {id(record): _settings(record) for record in records}
    differing = _differing(records, settings)
    result: dict[str, list[Record]] = {}
    for record in records:
        values = settings[id(record)]
        told = ", ".join(f"{name}={values.get(name, NONE)}" for name in differing)
        result.setdefault(told, []).append(record)
    return result


def _differing(records: Sequence[Record], settings: Mapping[int, Mapping[str, str]]) -> list[str]:
    """Return the names of what differs, without what follows from the preset."""
    groups: dict[str | None, list[Mapping[str, str]]] = {}
    for record in records:
        groups.setdefault(record.preset, []).append(settings[id(record)])
    names = dict.fromkeys(name for values in settings.values() for name in values)
    within = [
        name
        for name in names
        if any(len({values.get(name) for values in group}) > 1 for group in groups.values())
    ]
    return (["preset"] if len(groups) > 1 else []) + within


def _settings(record: Record) -> dict[str, str]:
    """Return all that decides a run's result but the seed and the data, as texts by name."""
    activation = record.activation
    values: dict[str, Any] = {"preset": record.preset, **record.config}
    values |= {f"budget.{name}": value for name, value in record.budget.items()}
    if record.method_sha256:
        values["file"] = record.method_sha256[:8]
    if activation is not None:
        values |= {"backbone": activation.backbone, "activations": _key(activation)}
    return {name: x if isinstance(x, str) else json.dumps(x) for name, x in values.items()}


def _key(activation: Activation) -> str:
    """Return what runs of one variant have in common: the model, or how the seeds' were made."""
    recipe = activation.recipe_sha256
    return f"one per seed ({recipe[:8]})" if recipe else activation.sha256[:8]


def _spoken(name: str, value: Any) -> str:
    words = _WORDS.get(name, name.removeprefix("budget_").replace("_", " "))
    return f"{words} {value:,}" if isinstance(value, int) else f"{words} {value}"
