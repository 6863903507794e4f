"""Runs grouped by variant of a method: names, labels, seeds and training conditions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from hsal_bench.record.record import Activation, Record
from hsal_bench.text import named

NONE = "—"
LONGEST_LABEL, LONGEST_NAME = 160, 600
"""Letters of labels and full names that are shown."""
_IMAGES = "none (images)"
_BUDGET = "budget"
_WORDS = {"budget_eval_every": "updates between validations"}


class Label(NamedTuple):
    """A variant's label, and the user's settings that it leaves out: "learning_rate=0.001, k=2".

    not_shown: the full name if the label is cut.
    """

    short: str
    not_shown: str


def label(record: Record) -> str:
    """Return the method with the user's settings, as in the name of the run's folder."""
    return "+".join([record.method, *(text for _, text in _given(record))])


def variants(records: Sequence[Record]) -> Iterator[tuple[str, list[Record]]]:
    """Yield the full name and the runs of each variant: they differ only in seed (and data).

    The full name is the shortest `label` of equal runs: one may give as a setting what another has
    from its preset. If runs with the same name still differ, brackets name the differences.
    """
    equal: dict[str, list[Record]] = {}
    for record in records:
        key = json.dumps([record.method, _settings(record)], sort_keys=True)
        equal.setdefault(key, []).append(record)
    labels: dict[str, list[Record]] = {}
    for runs in equal.values():
        labels.setdefault(label(_shortest(runs)), []).extend(runs)
    for name in sorted(labels):
        for difference, runs in _by_difference(labels[name]).items():
            yield f"{name} [{difference}]" if difference else name, runs


def short_labels(methods: Mapping[str, Sequence[Record]]) -> dict[str, str]:
    """Return the short label of each variant, by full name: those of `labelled`."""
    return {name: given.short for name, given in labelled(methods).items()}


def labelled(methods: Mapping[str, Sequence[Record]]) -> dict[str, Label]:
    """Return the label of each variant, by full name; `methods`: all runs as of `variants`.

    A method's only variant is labelled with the method's name. Several variants show those of their
    settings whose values differ between them; a variant that was not given a setting has its
    preset's value. Brackets stay. Labels are unique and independent of the order. If two would be
    equal, all variants keep their full names. Longer ones than `LONGEST_LABEL` are `bounded`.
    """
    differing, labels = _differing_by_method(methods), {}
    for name, runs in methods.items():
        run = _shortest(runs)
        shown = [text for key, text in _given(run) if key in differing[run.method]]
        hidden = [text for key, text in _given(run) if key not in differing[run.method]]
        short = "+".join([run.method, *shown]) + name.removeprefix(label(run))
        labels[name] = Label(short, ", ".join(hidden))
    if len({given.short for given in labels.values()}) < len(labels):
        labels = {name: Label(name, "") for name in labels}
    return {
        name: Label(
            bounded(short, LONGEST_LABEL),
            bounded(not_shown if len(short) <= LONGEST_LABEL else name, LONGEST_NAME),
        )
        for name, (short, not_shown) in labels.items()
    }


def bounded(text: str, longest: int) -> str:
    """Return the text; a longer one is cut and ends with a hash that keeps it unique."""
    if len(text) <= longest:
        return text
    return f"{text[:longest]}... ({hashlib.sha256(text.encode()).hexdigest()[:8]})"


def latest_per_seed(runs: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Return the latest run of each seed, in the order of seeds, and the superseded runs.

    The latest run is the one that started last.
    """
    started = sorted(runs, key=lambda run: datetime.fromisoformat(run.started))
    by_seed = {run.seed: run for run in started}
    latest = [by_seed[seed] for seed in sorted(by_seed)]
    superseded = [run for run in started if run is not by_seed[run.seed]]
    return latest, superseded


def seeds_asked(methods: Mapping[str, Sequence[Record]]) -> dict[str, set[int]]:
    """Return the seeds each method should have.

    For methods run here: every seed that any of them was run with. For predictions made
    elsewhere: their own seeds.
    """
    shared = {run.seed for runs in methods.values() for run in runs if run.stated is None}
    return {
        name: shared if runs[0].stated is None else {run.seed for run in runs}
        for name, runs in methods.items()
    }


def caveats(record: Record) -> Iterator[str]:
    """Yield warnings about a run: its own budget, a weak activation model, a change of device."""
    if record.own_budget:
        yield "own budget: fitted without a limit on updates or time"
    model = record.activation
    if model is not None and model.weak:
        accuracy = 100 * (model.single_object_accuracy or 0.0)
        yield f"weak activation model: {accuracy:.1f} % single-object accuracy"
    if record.resumed_on:
        kinds = ", then ".join(record.resumed_on)
        yield (
            f"seed {record.seed} changed device during training ({kinds}): may differ from a run "
            "on one device"
        )


def untrained_warning(runs: Sequence[Record]) -> str:
    """Return a warning about seeds whose best state is the untrained one; "" if none."""
    seeds = [str(run.seed) for run in runs if run.status == "ok" and run.selected_update == 0]
    warning = f"seed {', '.join(seeds)} tested at update 0: training did not help on validation"
    return warning if seeds else ""


def conditions(record: Record) -> dict[str, Any]:
    """Return the conditions that a fair comparison keeps equal, by name.

    Empty for predictions made elsewhere: their conditions are unknown.
    """
    if record.stated is not None:
        return {}
    activation = record.activation
    budget = {f"budget_{name}": value for name, value in record.budget.items()}
    return {
        "preset": record.preset or NONE,
        **({_BUDGET: "own budget"} if record.own_budget else budget),
        "activations": f"{activation.backbone} {_key(activation)}" if activation else _IMAGES,
    }


def activation_models(record: Record) -> str:
    """Return in words whether seeds share the activation model; "" without one."""
    if record.activation is None:
        return ""
    return "one per seed" if record.activation.recipe_sha256 else "one for all seeds"


def inequality(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a line on how the conditions of rows differ, by row name; "" if they are equal.

    "Not under equal conditions: updates 6,000 (a and b) against updates 400 (c, d, e and 9 more)"
    """
    names = dict.fromkeys(name for given in rows.values() for name in given)
    unequal = [name for name in names if len({given.get(name) for given in rows.values()}) > 1]
    sides: dict[str, list[str]] = {}
    for row, given in rows.items():
        applicable = [name for name in unequal if _applies(name, given)]
        values = ", ".join(_spoken(name, given.get(name, NONE)) for name in applicable)
        sides.setdefault(values, []).append(row)
    against = " against ".join(f"{values} ({named(rows)})" for values, rows in sides.items())
    return f"Not under equal conditions: {against}" if unequal else ""


def _given(record: Record) -> list[tuple[str, str]]:
    """Return the name of each of the user's settings and its text, sorted by name."""
    return [(key, f"{key}={text}") for key, text in sorted(record.settings.items())]


def _differing_by_method(methods: Mapping[str, Sequence[Record]]) -> dict[str, set[str]]:
    """Return the names of the settings in which the variants of each method differ."""
    by_method: dict[str, list[Mapping[str, str]]] = {}
    for runs in methods.values():
        run = _shortest(runs)
        by_method.setdefault(run.method, []).append({**run.settings, **_settings(run)})
    return {
        method: {key for key in set().union(*every) if len({one.get(key) for one in every}) > 1}
        for method, every in by_method.items()
    }


def _shortest(runs: Sequence[Record]) -> Record:
    """Return the run with the shortest label."""
    return min(runs, key=lambda run: (len(label(run)), label(run)))


def _by_difference(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Return the runs by their differences in words; all under "" if there are none."""
    settings = {id(record): _settings(record) for record in records}
    differing = _differing(records, settings)
    result: dict[str, list[Record]] = {}
    for record in records:
        values = settings[id(record)]
        difference = ", ".join(f"{name}={values.get(name, NONE)}" for name in differing)
        result.setdefault(difference, []).append(record)
    return result


def _differing(records: Sequence[Record], settings: Mapping[int, Mapping[str, str]]) -> list[str]:
    """Return the names of settings that differ, except those that follow from the preset."""
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
    """Return as texts all settings that affect a run's result, except seed and data."""
    activation = record.activation
    values: dict[str, Any] = {"preset": record.preset, **record.config}
    values |= {f"budget.{name}": value for name, value in record.budget.items()}
    if record.method_sha256:
        values["file"] = record.method_sha256[:8]
    if activation is not None:
        values |= {"backbone": activation.backbone, "activations": _key(activation)}
    return {name: x if isinstance(x, str) else json.dumps(x) for name, x in values.items()}


def _key(activation: Activation) -> str:
    """Return a key shared by the runs of a variant: the model's hash, or its recipe's hash."""
    recipe = activation.recipe_sha256
    return f"one per seed ({recipe[:8]})" if recipe else activation.sha256[:8]


def _applies(name: str, given: Mapping[str, Any]) -> bool:
    """Whether a row can have a condition: updates do not limit a method with its own budget."""
    own = given.get(_BUDGET, NONE) != NONE
    return not name.startswith("budget_") if own else name != _BUDGET


def _spoken(name: str, value: Any) -> str:
    if name == _BUDGET:
        return str(value)
    words = _WORDS.get(name, name.removeprefix("budget_").replace("_", " "))
    return f"{words} {value:,}" if isinstance(value, int) else f"{words} {value}"
