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

from hsal_bench.cluster.units import Unit, command, units
from hsal_bench.errors import UsageError, suggest
from hsal_bench.metrics.scores import METRICS_VERSION
from hsal_bench.options import as_config
from hsal_bench.record.record import Record
from hsal_bench.runs.methods import MethodRun, method_run
from hsal_bench.runs.request import Request, check_request, scaled, settings_of
from hsal_bench.runs.requested import run_folder
from hsal_bench.training import presets

HSAL, BASELINE = "hsal-rl", "cross-entropy"
MULTISET, SET, SVHN = "mnist-multiset", "mnist-set", "svhn-multiset"
SHARED, UNIFORM = f"{MULTISET}-shared", f"{MULTISET}-uniform"
DATASETS = (MULTISET, SET, SVHN)


@dataclass(frozen=True, eq=False)
class Scale:
    """The size and length of the runs.

    settings: as `--set` takes them. fields: further fields of `Request`.
    """

    preset: str
    settings: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def per_seed(self) -> bool:
        """Whether each seed has an activation model of its own."""
        return self.fields.get("activation_seed") == "per-seed"


_ON_PUBLISHED = {"device": "cpu", "activation_model": presets.PUBLISHED}
_S_SETTINGS = {"learning_rate": "0.001", "weight_decay": "0", f"{HSAL}:entropy_class": "0.01"}
_S_LENGTH = {"updates": 6_000, "eval_every": 300, "fine_tune_updates": 2_000}
SCALES = {
    "S": Scale("quick", _S_SETTINGS, {**_S_LENGTH, **_ON_PUBLISHED}),
    "S-per-seed": Scale(
        "quick", _S_SETTINGS, {**_S_LENGTH, "device": "cpu", "activation_seed": "per-seed"}
    ),
    "P6": Scale("paper", fields={"updates": 6_000, **_ON_PUBLISHED}),
    "paper": Scale("paper"),
    "toy": Scale("quick", fields={"updates": 120, "fine_tune_updates": 60, "device": "cpu"}),
}
"""S: the small network on published features, long enough for HSAL. S-per-seed: S with an
activation model for each seed. P6: the paper's networks for 6,000 updates on published features.
paper: the preset `paper` as it is. toy: drawn digits, minutes for all of Table 1."""

LOSSES = ("", *(f"+class_loss={loss}" for loss in ("expected-reward", "log-marginal", "multiset")))
OBJECTIVES = (
    *(f"{HSAL}{given}" for given in (*LOSSES, "+label_structure=list+label_order=spatial")),
    *(f"{BASELINE}{given}" for given in ("", "+label_feedback=greedy", "+teacher_forcing=yes")),
)
"""What the class labels are learnt from. Without a further setting, hsal-rl has the location reward
and cross-entropy has not."""


def with_and_without_reward(variant: str) -> tuple[str, str]:
    """Return an objective with the location reward, and without."""
    if variant.startswith(HSAL):
        return variant, f"{variant}+location_reward=no"
    return f"{variant}+location_reward=yes", variant


GRID = tuple(
    variant
    for objective in OBJECTIVES
    for variant in with_and_without_reward(objective)
    if variant not in (HSAL, BASELINE)
)
"""The objectives with and without the location reward, except the two in part 1."""
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
        )
    ),
    *(
        f"{BASELINE}+{fields}"
        for fields in (
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
MULTISET_LOSS = f"{HSAL}+class_loss=multiset"
"""What `hsal-multiset` is in the plan."""
LEAKING = (HSAL, BASELINE, "multiset-loss", "count-classifier")
PARTS = {
    1: (DATASETS, (HSAL, BASELINE), range(5)),
    2: ((MULTISET,), GRID, range(5)),
    3: ((MULTISET,), READINGS, range(3)),
    4: ((MULTISET,), OTHERS, range(5)),
    5: ((SHARED,), LEAKING, range(5)),
    6: ((SET,), (*OTHERS, MULTISET_LOSS), range(3)),
    7: ((UNIFORM,), (HSAL, BASELINE, *OTHERS, MULTISET_LOSS), range(3)),
}
"""Datasets, methods and seeds. 1: the paper's Table 1. 2: other objectives. 3: other readings of
the paper. 4: the field's other methods. 5: splits that share glyphs, to compare with 1 and 4.
6 and 7: whether the methods' order holds on other data."""


@dataclass(frozen=True)
class Item:
    """One run of the plan. variant: the method with its settings, "NAME+KEY=VALUE"."""

    part: int
    dataset: str
    variant: str
    seed: int
    scale: Scale

    @property
    def inputs(self) -> tuple[str, int | None]:
        """What the items on one dataset content and activation model have in common."""
        return self.dataset, self.seed if self.scale.per_seed else None

    @property
    def method(self) -> str:
        """The method without settings."""
        return self.variant.partition("+")[0]

    @cached_property
    def request(self) -> Request:
        """The request for its run, in the usual folders."""
        fields = dict(self.scale.fields)
        if self.dataset == SVHN:  # the published models are of MNIST
            fields.pop("activation_model", None)
        return Request(
            models=(self.variant,),
            seeds=(self.seed,),
            dataset=self.dataset,
            preset=self.scale.preset,
            settings=settings_of(self.method, self.scale.settings),
            **fields,
        )

    def unit(self, **machine: Any) -> Unit:
        """Return its unit of work; machine: fields of the request that say where and how it runs.

        Raises:
            UsageError: they contradict the plan.
        """
        request = dataclasses.replace(self.request, **machine)
        check_request(request)
        (unit,) = units(dataclasses.replace(request, command=command(request)))
        return unit

    @cached_property
    def entry(self) -> MethodRun:
        """The method with the config that the preset and all settings give it."""
        return method_run(self.variant, self.scale.preset, self.request.settings)

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What a record of its run holds, by field; the dataset's hash and the model's are not."""
        return {
            "method": self.method,
            "method_sha256": None,
            "config": json.loads(json.dumps(as_config(self.entry.config))),
            "seed": self.seed,
            "preset": self.scale.preset,
            "budget": vars(scaled(presets.preset(self.scale.preset), self.request).train),
            "metrics_version": METRICS_VERSION,
            "status": "ok",
            "trained_on": None,
        }

    @property
    def updates(self) -> int:
        """Number of updates."""
        return int(self.identity["budget"]["updates"])

    @property
    def name(self) -> str:
        """The name of its record in a folder of records, without a suffix."""
        return f"{self.dataset}--{self.entry.folder}--{self.scale.preset}--seed-{self.seed}"

    def folder(self, out: Path) -> Path:
        """Return the folder of its run."""
        return run_folder(out, self.dataset, self.entry, self.scale.preset, self.seed)


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
        # Datasets next to each other: two runs at a time then compute two datasets' activations.
        for variant, dataset, seed in product(variants, names, seeds or own)
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


def inputs_of(record: Record) -> tuple[str, str | None]:
    """Return the hashes of a record's dataset and activation model: one table has one of each."""
    model = record.activation
    return record.data_set.content_sha256, model.sha256 if model else None


def is_run_of(record: Record, item: Item) -> bool:
    """Return whether a record belongs to an item's run, for any inputs."""
    return record.data_set.name == item.dataset and all(
        getattr(record, name) == value for name, value in item.identity.items()
    )
