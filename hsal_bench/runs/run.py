"""The work of `hsal-bench run`: check a request, build what is missing, run every method."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hsal_bench import options
from hsal_bench.data import locate
from hsal_bench.data.file import DataFile, open_data
from hsal_bench.data.schema import SPLITS
from hsal_bench.data.verify import require_intact
from hsal_bench.errors import UsageError
from hsal_bench.files import writable_folder
from hsal_bench.progress import Grid, grid
from hsal_bench.record.find import CHECKPOINT
from hsal_bench.record.record import Record, read_record
from hsal_bench.runs import recording, requested
from hsal_bench.runs import request as requests
from hsal_bench.runs.bench import Bench, say
from hsal_bench.runs.eval_on import open_datasets
from hsal_bench.runs.methods import MethodRun, method_runs
from hsal_bench.runs.request import Request
from hsal_bench.training import backbones, checkpoint, presets
from hsal_bench.training import device as devices
from hsal_bench.training.presets import Preset
from hsal_bench.training.states import DamagedState

_OTHER_VERSION = "another version of"
_BUDGET = "budget."
_SHOWN = 3
"""Differences from an existing run that are shown."""

Run = tuple[MethodRun, int]
"""A method and a seed."""


@dataclass(frozen=True)
class Prepared:
    """The runs of a request, ready to start. others: the datasets of `--eval-on`."""

    bench: Bench
    runs: Sequence[Run]
    others: Sequence[DataFile]


def run(request: Request) -> list[Record]:
    """Run a request and return the records: one per method, seed and dataset.

    If a method fails, its record says how, and the other methods run all the same.

    Raises:
        UsageError: something is missing or contradictory; before any work.
    """
    with _opened(request) as prepared:
        bench, runs = prepared.bench, prepared.runs
        requested.add(request.out, [bench.folder(*run) for run in runs])
        with grid(len(runs), bench.preset.train.updates) as whole:
            return _run_all(prepared, whole)


def prepare(request: Request) -> None:
    """Make the datasets, activation models and activations of a request, and no run.

    Raises:
        UsageError: as `run`.
    """
    with _opened(request) as prepared:
        for method, seed in prepared.runs:
            inputs, kind = prepared.bench.inputs(method, seed), method.cls.inputs
            inputs.splits(kind)
            for other in prepared.others:
                inputs.test(kind, other)
        say("prepared: all that these runs need is there")


def records_of_done(request: Request) -> dict[Path, Record]:
    """Return the records of the runs that are done already, by their folders. Builds nothing."""
    if request.eval_on or not locate.existing(request.dataset, request.datasets):
        return {}  # the runs know whether their further evaluations are done
    done = {}
    # On the CPU, which every machine has, and without a line about it.
    request = dataclasses.replace(request, device="cpu")
    with contextlib.redirect_stderr(io.StringIO()), _opened(request) as prepared:
        for method, seed in prepared.runs:
            folder = prepared.bench.folder(method, seed)
            record = _done(prepared.bench, method, seed, folder / recording.RECORD)
            if record and not method.restarts(request):
                done[folder] = record
    return done


def _done(bench: Bench, method: MethodRun, seed: int, path: Path) -> Record | None:
    try:
        record = read_record(path) if path.exists() else None
    except UsageError:
        return None  # damaged: the run scores it again
    if record is None or record.status == "failed":
        return None
    identity = recording.identity(record)
    return None if _difference(bench, method, seed, identity) else record


@contextmanager
def _opened(request: Request) -> Iterator[Prepared]:
    """Check a request, build its datasets and open them."""
    device = devices.resolve(request.device)
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    name = request.preset or ("paper" if device.type == "cuda" else "quick")
    preset = _preset(name, request, device)
    methods = method_runs(request, name)
    _require_available(request, preset, methods)
    path = locate.find_or_build(request.dataset, request.datasets, request.data_dir)
    with open_data(path) as data:
        sizes = " / ".join(f"{data.layout.sizes[split]:,}" for split in SPLITS)
        say(f"dataset {path}: {data.header.name}, {sizes} images ({', '.join(SPLITS)})")
        say(f"preset {name} on {devices.describe(device)}")
        bench = Bench(request, name, preset, device, data)
        runs = [(method, seed) for method in methods for seed in request.seeds]
        if request.activation_seed == "per-seed":
            # Seed by seed: only one activation model's activations are in memory at a time.
            runs.sort(key=lambda run: request.seeds.index(run[1]))
        _refuse_wrong_models(bench, methods)
        _refuse_other_runs(bench, runs)
        require_intact(data)
        with open_datasets(request, data) as others:
            yield Prepared(bench, runs, others)


def _run_all(prepared: Prepared, whole: Grid) -> list[Record]:
    """Run all; a run with a damaged state does not keep the others from running.

    Raises:
        DamagedState: after all the others, naming the damaged states.
    """
    bench, runs, others = prepared.bench, prepared.runs, prepared.others
    records: list[Record] = []
    damaged: list[str] = []
    for number, (method, seed) in enumerate(runs, 1):
        try:
            record = bench.train(method, seed, f"{number} of {len(runs)}")
            records.append(record)
            if record.status == "ok":
                records += [bench.evaluate(method, record, other) for other in others]
            elif others:
                title = f"{method.label} seed {seed}"
                say(f"{title}: {record.status}, so not evaluated on other datasets")
        except DamagedState as error:
            say(f"{method.label} seed {seed}: {error}")
            damaged.append(f"{method.label} seed {seed}: {error}")
        whole.next()
    if damaged:
        raise DamagedState(
            damaged[0]
            if len(damaged) == 1
            else f"{len(damaged)} of {len(runs)} runs have damaged states, see above"
        )
    return records


def _preset(name: str, request: Request, device: torch.device) -> Preset:
    """Return the preset, changed by the request, in a precision that the device has."""
    preset = requests.scaled(presets.preset(name), request)
    precision = devices.precision(request.precision, preset.precision, device)
    if precision != (request.precision or preset.precision):
        say(
            f"{devices.describe(device)} has no {preset.precision}: the activation model computes "
            f"in {precision}"
        )
    return dataclasses.replace(preset, precision=precision)


def _require_available(request: Request, preset: Preset, methods: Iterable[MethodRun]) -> None:
    """Check backbones, names of datasets and the output folder.

    Raises:
        UsageError: one of them is unknown, or nothing can be written there.
    """
    backbones.require(preset.backbone)
    for method in methods:
        backbones.require(method.backbone, method.input_size)
    for name in (request.dataset, *request.eval_on):
        if name != requests.ALL:
            locate.require_known(name, request.datasets)
    writable_folder(request.out)


def _refuse_wrong_models(bench: Bench, methods: Iterable[MethodRun]) -> None:
    """Check the given activation model, if there is one.

    Raises:
        UsageError: it is missing or does not fit.
    """
    for method in methods:
        if method.cls.inputs == "activations":
            _ = bench.inputs(method).given


def _refuse_other_runs(bench: Bench, runs: Iterable[Run]) -> None:
    """Refuse to resume from the checkpoint of a different run.

    Raises:
        UsageError: naming all such checkpoints and their differences.
    """
    paths_by_difference: dict[str, list[str]] = {}
    concerned: dict[str, None] = {}
    for method, seed in runs:
        if method.restarts(bench.request):
            continue
        folder = bench.folder(method, seed)
        try:
            stopped = checkpoint.find(folder)
        except DamagedState:
            continue  # reported when the run is due
        if stopped and (difference := _difference(bench, method, seed, stopped.identity)):
            path = str(folder / CHECKPOINT)
            paths_by_difference.setdefault(difference, []).append(path)
            concerned[method.label] = None
    if paths_by_difference:
        problems = "; ".join(
            f"{', '.join(paths)} "
            f"{'belongs to another run' if len(paths) == 1 else 'belong to other runs'} "
            f"({difference})"
            for difference, paths in paths_by_difference.items()
        )
        every = {method.label for method, _ in runs} == concerned.keys()
        restart = "--restart" if every else f"--restart {shlex.quote(','.join(concerned))}"
        earlier = any(text.startswith(_OTHER_VERSION) for text in paths_by_difference)
        both = "; --tag TEXT keeps both versions" if earlier else ""
        raise UsageError(f"{problems}: use another --out, or {restart} to start over{both}")


def _known_identity(bench: Bench, method: MethodRun, seed: int) -> dict[str, object]:
    """Return the identity of a run without its activation model, which may not exist yet."""
    fields = recording.identity(bench.start(method, seed))
    return {name: value for name, value in fields.items() if name != "activation"}


def _difference(bench: Bench, method: MethodRun, seed: int, identity: Mapping[str, Any]) -> str:
    """Return the difference between a run and an earlier run's identity; "" for the same run."""
    before = identity.get("method_sha256")
    if method.sha256 and before and before != method.sha256:
        return f"{_OTHER_VERSION} {method.name}"
    known = _known_identity(bench, method, seed)
    difference = _words(options.differing(identity, known, known), bench.request)
    activation = identity.get("activation")
    if difference or method.cls.inputs != "activations" or not activation:
        return difference
    return bench.inputs(method, seed).difference(activation)


def _words(changes: dict[str, tuple[Any, Any]], request: Request) -> str:
    """Return the differences between two runs in the names of the options."""
    if request.eval_every is None and f"{_BUDGET}updates" in changes:
        changes.pop(f"{_BUDGET}eval_every", None)  # its default follows the number of updates
    shown = list(changes.items())[:_SHOWN]
    return "; ".join(recording.change(_option(name), was, now) for name, (was, now) in shown)


def _option(field: str) -> str:
    name = field.removeprefix(_BUDGET)
    return f"--{name.replace('_', '-')}" if name != field else field
