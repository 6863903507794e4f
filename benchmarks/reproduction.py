"""The paper's experiments as a plan of runs, and the matching of records to runs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from hsal_bench.errors import UsageError, suggest
from hsal_bench.metrics.scores import METRICS_VERSION
from hsal_bench.options import as_config
from hsal_bench.record.record import Record
from hsal_bench.runs import request as plans
from hsal_bench.runs.methods import MethodRun, method_run
from hsal_bench.training import presets

HSAL, BASELINE = "hsal-rl", "cross-entropy"
MULTISET, SET, SVHN = "mnist-multiset", "mnist-set", "svhn-multiset"
DATASETS = (MULTISET, SET, SVHN)
PREPARATION = 0
"""The part of the runs that only make a dataset, its activation model and its activations."""


@dataclass(frozen=True, eq=False)
class Scale:
    """The size and length of the runs.

    limits: budgets that replace the preset's, as fields of `requests.Request`. settings: as `--set`
    takes them. options: further options of `hsal-bench run`.
    """

    preset: str
    limits: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()


SCALES = {
    "S": Scale(
        "quick",
        {"updates": 6_000, "eval_every": 300, "fine_tune_updates": 2_000},
        {"learning_rate": "0.001", "weight_decay": "0", f"{HSAL}:entropy_class": "0.01"},
        ("--device", "cpu", "--activation-model", "published"),
    ),
    "P6": Scale(
        "paper", {"updates": 6_000}, options=("--device", "cpu", "--activation-model", "published")
    ),
    "paper": Scale("paper"),
    "toy": Scale("quick", {"updates": 120, "fine_tune_updates": 60}, options=("--device", "cpu")),
}
"""S: the small network on published features, long enough for HSAL. P6: the paper's networks for
6,000 updates on published features. paper: the preset `paper` as it is. toy: drawn digits, minutes
for all of Table 1."""

LOSSES = ("", *(f"+class_loss={loss}" for loss in ("expected-reward", "log-marginal", "multiset")))
GRID = (
    *(f"{HSAL}{loss}{reward}" for loss in LOSSES for reward in ("", "+location_reward=no")),
    *(f"{BASELINE}+{given}" for given in ("location_reward=yes", "teacher_forcing=yes")),
    f"{BASELINE}+location_reward=yes+teacher_forcing=yes",
)[1:]
"""Losses with and without the location reward, except the two in part 1."""
READINGS = (
    *(
        f"{HSAL}+{fields}"
        for fields in (
            "trajectories=1",
            "reset_controller=yes",
            "return_to_go=yes",
            "renormalise_each_step=yes",
            "faithful_centres=yes",
            "beta_before_exp=yes",
            "glimpse_feedback=coordinates",
            "stop_step_glimpse_reward=no",
            "early_stop_reward=0",
            "label_structure=list+label_order=spatial",
        )
    ),
    *(
        f"{BASELINE}+{fields}"
        for fields in (
            "label_feedback=greedy",
            "label_feedback=none",
            "label_order=fixed",
            "label_order=class",
            "label_order=spatial",
            "label_order=area",
            "shared_label_order=no",
            "teacher_forcing=yes+teacher_forced_updates=500",
        )
    ),
)
"""Other readings of the paper, one at a time; teacher forcing throughout is in the grid."""
# fmt: off
OTHERS = (
    "count-classifier", "multiset-loss", "query-transformer", "rl", "log-marginal",
    "cnn-rnn", "order-search", "slot-attention", "distribution-matching",
    "idspn", "one-step-matching", "count-regression",
)
# fmt: on
PARTS = {
    1: (DATASETS, (HSAL, BASELINE), range(5)),
    2: ((MULTISET,), GRID, range(3)),
    3: ((MULTISET,), READINGS, range(3)),
    4: ((MULTISET,), OTHERS, range(3)),
}
"""Datasets, methods and seeds. 1: the paper's Table 1. 2: the other losses. 3: other readings of
the paper. 4: the field's other methods."""


@dataclass(frozen=True)
class Item:
    """One run of the plan. variant: the method with its settings, "NAME+KEY=VALUE"."""

    part: int
    dataset: str
    variant: str
    seed: int
    scale: Scale

    @property
    def method(self) -> str:
        """The method without settings."""
        return self.variant.partition("+")[0]

    @cached_property
    def entry(self) -> MethodRun:
        """The method with the config that the preset and all settings give it."""
        settings = plans.settings_of(self.method, self.scale.settings)
        return method_run(self.variant, self.scale.preset, settings)

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What a record of its run holds, by field; the dataset's hash and the model's are not."""
        request = plans.Request((), **self.scale.limits)
        return {
            "method": self.method,
            "method_sha256": None,
            "config": json.loads(json.dumps(as_config(self.entry.config))),
            "seed": self.seed,
            "preset": self.scale.preset,
            "budget": vars(plans.scaled(presets.preset(self.scale.preset), request).train),
            "metrics_version": METRICS_VERSION,
            "status": "ok",
            "trained_on": None,
        }

    @property
    def updates(self) -> int:
        """Number of updates."""
        return int(self.identity["budget"]["updates"])

    @property
    def label(self) -> str:
        """A short name for messages and tables."""
        who = "preparation" if self.part == PREPARATION else f"{self.variant} seed {self.seed}"
        return f"{self.dataset} {who}"

    @property
    def name(self) -> str:
        """The name of its record in a folder of records, without a suffix."""
        if self.part == PREPARATION:
            return f"{self.dataset}--preparation"
        return f"{self.dataset}--{self.entry.folder}--{self.scale.preset}--seed-{self.seed}"

    def out(self, root: Path) -> Path:
        """The --out of its run, below the queue's folder."""
        return root / ("preparation" if self.part == PREPARATION else "runs")

    def folder(self, root: Path) -> Path:
        """Folder of the record and checkpoint of its run."""
        run = f"{self.entry.folder}/{self.scale.preset}/seed-{self.seed}"
        return self.out(root) / self.dataset / run

    def command(self, root: Path) -> list[str]:
        """Return the arguments of `hsal-bench` for the run."""
        command = ["run", "--model", self.variant, "--dataset", self.dataset]
        command += ["--preset", self.scale.preset, "--seeds", str(self.seed)]
        for name, value in self.scale.limits.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        for name, setting in plans.settings_of(self.method, self.scale.settings).items():
            command += ["--set", f"{name}={setting}"]
        return [*command, *self.scale.options, "--out", str(self.out(root))]


def plan(
    scale: str,
    parts: Iterable[str] = (),
    datasets: Iterable[str] = (),
    methods: Iterable[str] = (),
    seeds: Sequence[int] = (),
) -> list[Item]:
    """Return the runs at a scale, one seed of everything first; empty filters select everything.

    `seeds` replaces each part's own.

    Raises:
        UsageError: a part, dataset or method that is not in the plan.
    """
    toy = scale == "toy"
    items = [
        Item(part, dataset.replace("mnist", "synthetic") if toy else dataset, variant, seed, size)
        for part, (names, variants, own) in PARTS.items()
        for size in [SCALES[scale]]
        for dataset, variant, seed in product(names, variants, seeds or own)
        if not (toy and dataset == SVHN)
    ]
    for option, asked, values in (
        ("--part", parts, lambda item: {str(item.part)}),
        ("--dataset", datasets, lambda item: {item.dataset}),
        ("--methods", methods, lambda item: {item.method, item.variant}),
    ):
        wanted = set(asked)
        known = {value for item in items for value in values(item)}
        if unknown := sorted(wanted - known):
            raise UsageError(f"{option} {unknown[0]}: {suggest(unknown[0], known)}")
        items = [item for item in items if not wanted or values(item) & wanted]
    return sorted(items, key=lambda item: (item.seed, item.part))


def preparation(item: Item) -> Item:
    """Return the shortest run on an item's dataset, which creates the inputs of the others.

    Its record says which dataset and activation model theirs must have.
    """
    limits = {**item.scale.limits, "updates": 1, "eval_every": 1}
    scale = dataclasses.replace(item.scale, limits=limits, settings={})
    return Item(PREPARATION, item.dataset, "count-regression", 0, scale)


def inputs_of(record: Record) -> tuple[str, str | None]:
    """Return the hashes of a record's dataset and activation model: one table has one of each."""
    model = record.activation
    return record.data_set.content_sha256, model.sha256 if model else None


def is_run_of(record: Record, item: Item) -> bool:
    """Return whether a record belongs to an item's run, for any inputs."""
    return record.data_set.name == item.dataset and all(
        getattr(record, name) == value for name, value in item.identity.items()
    )
