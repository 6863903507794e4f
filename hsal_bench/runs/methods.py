"""The methods of a run: each loaded, with its config from the preset and its settings."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsal_bench import options, registry
from hsal_bench.checking import Failed
from hsal_bench.errors import UsageError, suggest
from hsal_bench.method.class_check import check_class
from hsal_bench.method.code import class_sha256, file_sha256
from hsal_bench.method.load import load_method
from hsal_bench.record.validation import check_values
from hsal_bench.runs.request import (
    Model,
    Request,
    all_settings,
    expanded,
    method_name,
    settings_of,
    split,
)
from hsal_bench.training import presets

if TYPE_CHECKING:
    from hsal_bench.method.contract import Method

_TAG = re.compile(r"[A-Za-z0-9._-]{1,40}")


@dataclass(frozen=True)
class MethodRun:
    """A method and the config that it runs with.

    model: as the request names it. settings: the tag, and differences from the preset (config
    fields, backbone, input size). label: the name with these settings. backbone: of the activation
    model. input_size: of its images; None is the backbone's usual size. sha256: of the code
    (`hsal_bench.method.code`); None for a registered method.
    """

    model: Model = field(compare=False)  # spellings of one method are equal
    name: str
    cls: type[Method]
    config: Any
    settings: Mapping[str, str]
    label: str
    backbone: str
    input_size: int | None
    sha256: str | None

    @property
    def folder(self) -> str:
        """The label as the name of a folder."""
        return self.label.replace("/", "_")

    def restarts(self, request: Request) -> bool:
        """Whether the request discards earlier runs of the method."""
        if isinstance(request.restart, bool):
            return request.restart
        return not {self.name, self.label}.isdisjoint(request.restart)


def method_runs(request: Request, preset: str) -> list[MethodRun]:
    """Return the methods of a request, each variant once.

    A method of "all" that cannot be imported is left out with a warning.

    Raises:
        UsageError: as `method_run`; two different methods with one label.
    """
    settings = all_settings(request)
    by_folder: dict[str, tuple[Model, MethodRun]] = {}
    for model in expanded(request.models):
        try:
            method = method_run(
                *(model, preset, settings, request.backbone, request.input_size),
                code_sha256=request.code.get(method_name(split(model)[0])),
            )
        except registry.Broken as error:
            if model in request.models:
                raise
            click.echo(f"warning: left out: {error}", err=True)
            continue
        source, _ = split(model)
        first_source, first = by_folder.setdefault(method.folder, (source, method))
        if source != first_source and method.sha256 != first.sha256:
            raise UsageError(
                f"--model {first_source} and {source} would share the folder {method.folder}: add "
                "+tag=TEXT to one of them, or rename one of the classes"
            )
    methods = [method for _, method in by_folder.values()]
    _check_restart(request, methods)
    return methods


def method_run(
    model: Model,
    preset: str,
    settings: Mapping[str, str],
    backbone: str | None = None,
    input_size: int | None = None,
    code_sha256: str | None = None,
) -> MethodRun:
    """Return the method `model` with its config: the preset's, changed by its settings.

    The method's own settings override `settings`. The setting "tag" only names a variant, unless
    the config has a field of this name. `backbone` and `input_size` of the activation model apply
    unless the method sets them; like a setting they name a variant if they differ from the
    preset's. code_sha256: of the method's code, if it is known already.

    Raises:
        UsageError: unknown method or field, invalid value, or a class that is not a method.
    """
    source, own = split(model)
    name = method_name(source)
    cls = load_method(source) if isinstance(source, str) else source
    _check_class(cls, name if cls is source else str(source))
    usual = presets.preset(preset).backbone
    fields = options.field_types(cls.Config)
    if cls.inputs == "activations" and "backbone" not in fields:
        backbone = own.pop("backbone", backbone) or usual
        if "input_size" in own and "input_size" not in fields:
            input_size = options.parse(own.pop("input_size"), int | None, f"{name}: input_size")
        if input_size == presets.INPUT_SIZE and presets.is_resnet34(backbone):
            input_size = None
    else:
        backbone, input_size = usual, None
    default = dataclasses.replace(cls.Config(), **getattr(cls, "presets", {}).get(preset, {}))
    given = settings_of(name, settings) | own
    tag = given.pop("tag", None) if "tag" not in fields else None
    config = options.replace(default, given, name)
    _check_recordable(config, name)
    # The config's values, and only those that differ: "true" and "yes" are one setting and one
    # folder, and a default that is spelt out is no variant.
    changed = {
        key: options.as_text(getattr(config, key))
        for key in given
        if getattr(config, key) != getattr(default, key)
    }
    if backbone != usual:
        changed["backbone"] = backbone
    if input_size is not None:
        changed["input_size"] = str(input_size)
    if tag is not None:
        changed["tag"] = _checked_tag(tag)
    label = "+".join([name, *(f"{key}={value}" for key, value in sorted(changed.items()))])
    sha256 = code_sha256 or _code_sha256(source)
    return MethodRun(model, name, cls, config, changed, label, backbone, input_size, sha256)


def _checked_tag(tag: str) -> str:
    if not _TAG.fullmatch(tag):
        raise UsageError(f"tag {tag!r}: use 1 to 40 letters, digits, '.', '_' and '-'")
    return tag


def _check_restart(request: Request, methods: Sequence[MethodRun]) -> None:
    """Refuse a method of --restart that is not in the request."""
    known = {name for method in methods for name in (method.name, method.label)}
    for name in () if isinstance(request.restart, bool) else request.restart:
        if name not in known:
            raise UsageError(f"--restart {name}: it is not in this run; {suggest(name, known)}")


def _code_sha256(source: Model) -> str | None:
    """Return the hash of a method's code; None for a registered method."""
    if isinstance(source, str):
        path, _, _ = source.rpartition(":")
        return file_sha256(Path(path)) if path else None
    registered = registry.targets(registry.METHODS).values()
    own = f"{source.__module__}:{source.__qualname__}" in registered
    return None if own else class_sha256(source)


def _check_recordable(config: Any, name: str) -> None:
    """Refuse, before any work, a value that the record of the run cannot hold."""
    try:
        check_values(options.as_json(config), name)
    except ValueError as error:
        raise UsageError(f"{error}: use a different value") from error


def _check_class(cls: Any, model: str) -> None:
    try:
        check_class(cls)
    except Failed as failure:
        raise UsageError(f"{model} is not a method: {failure}") from failure
