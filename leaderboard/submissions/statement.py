"""Reading `submission.json`: its typed fields and all of its problems."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any, Literal, NamedTuple

from hsal_bench import jsonio
from hsal_bench.checking import LISTED
from hsal_bench.errors import UsageError, suggest
from hsal_bench.hashes import is_sha256
from hsal_bench.jsonio import typed
from hsal_bench.metrics.scores import MEANINGS, meaning
from hsal_bench.record.external_entry import Statement, wrong
from hsal_bench.text import shown

from .files import MOST_SEEDS, STATEMENT

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_NAME = 60
LARGEST_SEED = 2**31 - 1
LARGEST_CLAIM = 10**6
_SHOWN = 40


@dataclass(frozen=True)
class Predicted:
    """The dataset that was predicted: its name and the hash of its content."""

    name: str
    content_sha256: str


@dataclass(frozen=True, kw_only=True)
class Submission(Statement):
    """The content of `submission.json`: the fields of `Statement` and these.

    method: a name of lower-case letters, digits and hyphens. seeds: training seeds, one per
    predictions file. parameters: number of trained parameters. claimed: metrics by name, means
    over the seeds, with their digits as written; they are only compared with the recomputed ones.
    """

    entry: Literal["official", "unofficial"]
    method: str
    data_set: Predicted
    split: Literal["test"]
    seeds: tuple[int, ...]
    parameters: int
    claimed: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def statement(self) -> Statement:
        """The fields that a record keeps."""
        names = [field.name for field in dataclasses.fields(Statement)]
        return Statement(**{name: getattr(self, name) for name in names})


class Parsed(NamedTuple):
    """The fields of `submission.json` and its problems, one line each.

    fields: the valid ones by name. data_set: the name of the predicted dataset, even if its content
    is missing; None if there is no valid name. has_fields: False if the file cannot be read.
    """

    fields: Mapping[str, Any]
    problems: list[str]
    data_set: str | None = None
    has_fields: bool = True

    @property
    def submission(self) -> Submission | None:
        """The submission; None if there are problems."""
        return None if self.problems else Submission(**self.fields)


def parse(content: bytes) -> Parsed:
    """Return the fields in `content`, and the first `LISTED` problems."""
    try:
        values = jsonio.parse(content.decode("utf-8"), Decimal)
    except ValueError as error:
        return unread([f"the file is not JSON ({error})"])
    if not isinstance(values, dict):
        return unread(
            ['the file is not a JSON object: write {"method": ..., "authors": [...], ...}']
        )
    kinds = typing.get_type_hints(Submission)
    fields, problems = {}, list(islice(_unknown(values), LISTED + 1))
    for spec in dataclasses.fields(Submission):
        value, wrong_value = _read(spec, kinds[spec.name], values)
        problems += wrong_value
        if not wrong_value:
            fields[spec.name] = value
    if len(problems) > LISTED:
        problems[LISTED:] = ["and more"]
    return Parsed(fields, problems, _named(values))


def unread(problems: Sequence[str]) -> Parsed:
    """Return the result for a `submission.json` that cannot be read."""
    return Parsed({}, list(problems), has_fields=False)


def _named(values: dict[str, Any]) -> str | None:
    data_set = values.get("data_set")
    name = data_set.get("name") if isinstance(data_set, dict) else None
    # Only a valid name: it becomes part of a path.
    is_name = isinstance(name, str) and len(name) <= LONGEST_NAME and SLUG.fullmatch(name)
    return name if is_name else None


def _unknown(values: dict[str, Any]) -> Iterator[str]:
    known = [spec.name for spec in dataclasses.fields(Submission)]
    for name in values:
        if name not in known:
            yield f"unknown field {name!r}: {suggest(name, known)}"


def _read(spec: dataclasses.Field[Any], kind: Any, values: dict[str, Any]) -> tuple[Any, list[str]]:
    """Return the value of a field and its problems."""
    name = spec.name
    if name not in values:
        if spec.default_factory is dataclasses.MISSING:
            return None, [f"the field {name!r} is missing"]
        return spec.default_factory(), []
    try:
        value = typed(kind, values[name], f"{STATEMENT}: {name}")
    except UsageError as error:
        return None, [str(error).removeprefix(f"{STATEMENT}: ")]
    # No more than are listed: finding the nearest name for each of thousands is slow.
    return value, list(islice(_misstated(name, value), LISTED + 1))


def _misstated(name: str, value: Any) -> Iterator[str]:
    yield from wrong(name, value)
    if name in _RULES:
        yield from _RULES[name](value)


def _method(name: str) -> Iterator[str]:
    if not SLUG.fullmatch(name) or len(name) > LONGEST_NAME:
        cut = "..." if len(name) > LONGEST_NAME else ""
        yield (
            f"method is {name[:LONGEST_NAME]!r}{cut}: use lower-case letters, digits and single "
            f"hyphens, at most {LONGEST_NAME} characters"
        )


def _data_set(predicted: Predicted) -> Iterator[str]:
    if not SLUG.fullmatch(predicted.name) or len(predicted.name) > LONGEST_NAME:
        yield f"data_set.name is {predicted.name[:LONGEST_NAME]!r}: it must be a dataset's name"
    if not is_sha256(predicted.content_sha256):
        yield (
            "data_set.content_sha256 is not a SHA-256: copy the 64 digits on the dataset's card, "
            "which hsal-bench card NAME prints"
        )


def _seeds(seeds: tuple[int, ...]) -> Iterator[str]:
    if not 1 <= len(seeds) <= MOST_SEEDS:
        yield f"seeds lists {len(seeds):,}: give 1 to {MOST_SEEDS}, one per predictions file"
    if len(set(seeds)) < len(seeds):
        yield "seeds has duplicates: give each seed its own predictions file"
    if any(not 0 <= seed <= LARGEST_SEED for seed in seeds):
        yield f"seeds must be between 0 and {LARGEST_SEED}"


def _parameters(number: int) -> Iterator[str]:
    if not 0 <= number < 2**63:
        yield "parameters must be the number of parameters, 0 or more"


def _claimed(claimed: Mapping[str, Decimal]) -> Iterator[str]:
    for name, value in claimed.items():
        if not meaning(name):
            yield f"claimed.{name} is not a metric: {suggest(name, MEANINGS)}"
        elif abs(value) > LARGEST_CLAIM:
            yield f"claimed.{name} is {shown(str(value), _SHOWN)}: no metric is that large"


_RULES: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "method": _method,
    "data_set": _data_set,
    "seeds": _seeds,
    "parameters": _parameters,
    "claimed": _claimed,
}
