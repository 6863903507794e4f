"""The inputs of methods: a dataset's splits as images or as activations, on a device."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import torch

from hsal_bench.data import locate
from hsal_bench.data.file import DataFile, open_data
from hsal_bench.data.schema import SPLITS
from hsal_bench.errors import UsageError
from hsal_bench.files import writable_folder
from hsal_bench.method.contract import Task
from hsal_bench.record.record import Activation
from hsal_bench.runs.recording import change
from hsal_bench.runs.request import Request
from hsal_bench.training import activations, frozen, published
from hsal_bench.training.activations import Tuning
from hsal_bench.training.batches import ExampleSet, example_set
from hsal_bench.training.frozen import FrozenModel
from hsal_bench.training.presets import Preset
from hsal_bench.training.single_object import SingleObjectConfig

FEW_IMAGES = 100
"""With fewer test images, the accuracy of an activation model is uncertain."""


@dataclass
class Inputs:
    """The inputs from one dataset under one activation model; each is built on first use.

    The test splits of other datasets use the same activation model. seed: of its fine-tuning.
    input_size: side of its images in pixels; None is the backbone's usual size.
    """

    request: Request
    preset: Preset
    device: torch.device
    data: DataFile
    seed: int = 0
    input_size: int | None = None
    _tests: dict[tuple[Path, str], ExampleSet] = field(default_factory=dict)

    def splits(self, kind: str) -> Mapping[str, ExampleSet]:
        """Return the splits, with inputs of the kind "images" or "activations"."""
        return self._activations if kind == "activations" else self._images

    def test(self, kind: str, data: DataFile) -> ExampleSet:
        """Return the test split of another dataset, with inputs of that kind."""
        key = data.path, kind
        if key not in self._tests:
            inputs = None
            if kind == "activations":
                inputs = self._volumes(data, ["test"])["test"]
            self._tests[key] = example_set(data, "test", self.device, inputs)
        return self._tests[key]

    def task(self, examples: ExampleSet) -> Task:
        """Return the task of the dataset, for inputs of the shape in `examples`."""
        _, channels, height, width = examples.inputs.shape
        return activations.task_of(self.data, (channels, height, width))

    @cached_property
    def frozen(self) -> FrozenModel:
        """The activation model: the given one, or one fine-tuned here."""
        model = self.given
        tested = FEW_IMAGES
        if model:  # its description does not say on how many images it was tested
            self._keep(model)
        else:
            with self._tuning() as tuning:
                if not tuning.done():
                    writable_folder(tuning.root)
                model = activations.fine_tune(tuning, self.device)
                tested = tuning.single.layout.sizes["test"]
        seed = f", seed {model.seed}" if model.seed else ""
        size = f" at {model.input_size} px" if model.input_size else ""
        click.echo(
            f"activation model {model.backbone}{size} in {model.precision} ({model.weights}, "
            f"fine-tuned on {model.trained_on}{seed}): "
            f"{100 * model.accuracy:.1f} % accuracy on its test images",
            err=True,
        )
        if tested < FEW_IMAGES:
            click.echo(
                f"warning: the activation model was tested on only {tested} images: this accuracy "
                "is uncertain",
                err=True,
            )
        if model.as_record().weak:
            click.echo(
                "warning: weak activation model, methods cannot see the objects well: train it "
                "longer with --fine-tune-updates",
                err=True,
            )
        return model

    @cached_property
    def given(self) -> FrozenModel | None:
        """The activation model that the request names; None if one is to be fine-tuned.

        Raises:
            UsageError: it is missing, does not fit, or differs from its description.
        """
        name, preset = self.request.activation_model, self.preset
        if name is None:
            return None
        if self.input_size:
            raise UsageError(
                f"input size {self.input_size}: the model of --activation-model has its own"
            )
        updates = {preset.fine_tune.updates, preset.from_scratch.updates}
        model = published.find(name, preset.backbone, self.data, updates)
        if self.request.fine_tune_updates not in (None, model.updates):
            raise UsageError(
                f"--fine-tune-updates {self.request.fine_tune_updates}: the published model has "
                f"{model.updates} updates"
            )
        return model

    def as_record(self) -> Activation:
        """Return the activation model as a record describes it."""
        if self.request.activation_seed == "same":
            return self.frozen.as_record()
        with self._tuning() as tuning:
            return self.frozen.as_record(tuning.recipe_sha256)

    def difference(self, activation: Mapping[str, Any]) -> str:
        """Return the difference of another activation model from this one; "" if none is known.

        activation: the other model, from the identity of a run. If neither model exists here, or
        the dataset of this one is missing, no difference is known.
        """
        was = "per-seed" if activation.get("recipe_sha256") else "same"
        if was != self.request.activation_seed:
            return change("--activation-seed", was, self.request.activation_seed)
        sha256, model = activation["sha256"], self.given
        if model:
            name = model.sha256[:8]
        elif locate.lacks_single(self.data, self.request.datasets):
            return ""  # building it takes long, and the run compares the models before it resumes
        else:
            with self._tuning() as tuning:
                model, name = tuning.done(), tuning.folder.name
        other = self._model_of(sha256)
        if (model and model.sha256 == sha256) or not (model or other):
            return ""
        other_name = other.path.parent.name if other else f"of sha256 {sha256[:8]}"
        return change("activation model", other_name, name)

    @cached_property
    def _images(self) -> dict[str, ExampleSet]:
        return {split: example_set(self.data, split, self.device) for split in SPLITS}

    @cached_property
    def _activations(self) -> dict[str, ExampleSet]:
        volumes = self._volumes(self.data, SPLITS)
        return {
            split: example_set(self.data, split, self.device, volumes[split]) for split in SPLITS
        }

    def _volumes(self, data: DataFile, splits: Sequence[str]) -> dict[str, torch.Tensor]:
        root = self._cache / "activations"
        try:
            return activations.volumes(self.frozen, data, root, self.device, splits)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            raise UsageError(
                f"cannot write to {error.filename or root} ({error.strerror}): use --cache to put "
                "activations elsewhere"
            ) from error

    @property
    def _cache(self) -> Path:
        return self.request.cache or self.request.datasets

    @property
    def _models_roots(self) -> list[Path]:
        """The folders of activation models; missing models are made in the last."""
        roots = dict.fromkeys((self.request.datasets, self._cache))
        return [root / "activation-models" for root in roots]

    def _model_of(self, sha256: str) -> FrozenModel | None:
        models = (frozen.model_of(sha256, root) for root in self._models_roots)
        return next(filter(None, models), None)

    def _keep(self, model: FrozenModel) -> None:
        """Copy a given model to where `figures` finds it, if that is possible."""
        if self._model_of(model.sha256):
            return
        root = self._models_roots[-1]
        try:
            frozen.keep(model, root)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            click.echo(
                f"warning: cannot keep a copy of {model.path} in {root} ({error.strerror}): "
                "figures of these runs need one there",
                err=True,
            )

    @cached_property
    def _first_weights(self) -> tuple[str, str | None]:
        return activations.first_weights(self.preset.backbone, self.request.backbone_weights)

    @contextmanager
    def _tuning(self) -> Iterator[Tuning]:
        """Yield the fine-tuning of the activation model, with its dataset open."""
        request, preset = self.request, self.preset
        origin, weights = self._first_weights
        config = SingleObjectConfig(
            backbone=preset.backbone,
            weights=weights,
            precision=preset.precision,
            input_size=self.input_size,
        )
        budget = preset.from_scratch if weights is None else preset.fine_tune
        single = locate.find_or_build_single(self.data, request.datasets, request.data_dir)
        with open_data(single or self.data.path) as images:
            tunings = [
                Tuning(images, config, origin, budget, root, self.seed)
                for root in self._models_roots
            ]
            yield next((tuning for tuning in tunings if tuning.done()), tunings[-1])
