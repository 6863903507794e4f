"""Details of runs: settings, data, activation model, libraries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hsal_bench.options import as_text
from hsal_bench.record.record import DataSet, Record
from hsal_bench.text import shown

_LONGEST = 2000
"""Letters of a value that are shown."""


@dataclass(frozen=True)
class Fact:
    """A detail of a run: `values` by name, or a text alone under the name ""."""

    name: str
    values: Mapping[str, str]

    @property
    def text(self) -> str:
        """The values as one text: "mnist-set, file=m.h5, test=10000"."""
        return ", ".join(f"{name}={text}" if name else text for name, text in self.values.items())


def facts(records: Sequence[Record]) -> Iterator[Fact]:
    """Yield the details of runs that differ only in the seed.

    Libraries can differ between these runs, and activation models if each seed has its own: all
    values are listed. For predictions made elsewhere, only the method's name and the data are
    known.
    """
    first = records[0]
    yield Fact(
        "method", {"": shown(first.method, _LONGEST)} | _known({"file sha256": first.method_sha256})
    )
    if not first.stated:
        yield Fact("settings", _texts(first.settings) or {"": "none: the config of the preset"})
        yield Fact("preset", {"": first.preset or "none"})
        yield Fact("config", _texts(first.config) or {"": "none"})
        yield Fact("budget", {"": "its own"} if first.own_budget else _texts(first.budget))
    yield Fact("dataset", _data(first.data_set) | {"file": first.data_set.file})
    if source := first.trained_on:
        yield Fact("trained on", _data(source))
    if first.activation:
        models = [_known(vars(record.activation)) for record in records if record.activation]
        yield Fact("activation model", _merged(_texts(model) for model in models))
    elif not first.stated:
        yield Fact("activation model", {"": "none: the method takes images"})
    if versions := _versions(records):
        yield Fact("environment", versions)


def _data(data: DataSet) -> dict[str, str]:
    return {"": data.name, "content sha256": data.content_sha256} | _texts(data.sizes)


def _versions(records: Sequence[Record]) -> dict[str, str]:
    versions = [_known(vars(record.environment)) for record in records if record.environment]
    return _merged({name: str(x) for name, x in values.items()} for values in versions)


def _merged(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return all values of each name as one text: "2.8.0 or 2.9.0"."""
    merged: dict[str, dict[str, None]] = {}
    for values in parts:
        for name, text in values.items():
            merged.setdefault(name, {})[text] = None
    return {name: " or ".join(texts) for name, texts in merged.items()}


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: x for name, x in values.items() if x is not None}


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    plain = {name: tuple(x) if isinstance(x, list) else x for name, x in values.items()}
    return {shown(name, _LONGEST): shown(as_text(x), _LONGEST) for name, x in plain.items()}
