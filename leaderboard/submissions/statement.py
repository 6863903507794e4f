"""What a submission says of itself: `submission.json`, typed, with all that is wrong in it."""

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
from hsal_bench.errors import UsageError, suggest
from hsal_bench.hashes import is_sha256
from hsal_bench.jsonio import typed
from hsal_bench.metrics.scores import MEANINGS, meaning
from hsal_bench.records.external_entry import Statement, wrong
from hsal_bench.text import shown

from .files import LISTED, MOST_SEEDS, SINGLE, STATEMENT

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_NAME = 60
_LARGEST_SEED = 2**31 - 1
_LARGEST_CLAIM = 10**6
_SHOWN = 40


@dataclass(frozen=True)
class Predicted:
    """The data set that was predicted, by its name and its content."""

    name: str
    content_sha256: str


@dataclass(frozen=True, kw_only=True)
class Submission(Statement):
    """`submission.json`. What `Statement` says of its fields holds; the others:

    method: a name of small letters, digits and hyphens. seeds: of the training, one per
    predictions file. parameters: how many numbers were trained. claimed: metrics by name, means
    over the seeds, with the digits that were written; they are compared with the recomputed ones,
    and used for nothing.
    """

    method: str
    data_set: Predicted
    split: Literal["test"]
    seeds: tuple[int, ...]
    parameters: int
    claimed: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def statement(self) -> Statement:
        """What a record keeps of it."""
        names = [part.name for part in dataclasses.fields(Statement)]
        return Statement(**{name: getattr(self, name) for name in names})


class Parsed(NamedTuple):
    """What `submission.json` says, and what is wrong in it, a line each.

    fields: those that are as they should be, by name, whatever is wrong with the others.
    data_set: the name of the one predicted, though its content is not told; None where none is.
    has_fields: whether there are fields at all, right or wrong: not where it cannot be read.
    """

    fields: Mapping[str, Any]
    problems: list[str]
    data_set: str | None = None
    has_fields: bool = True

    @property
    def submission(self) -> Submission | None:
        """The submission, None if anything is wrong in what it says."""
        return None if self.problems else Submission(**self.fields)


def parse(content: bytes) -> Parsed:
    """Return what `content` says, with all its problems unless there are more than `LISTED`."""
    try:
        values = jsonio.parse(content.decode("utf-8"), Decimal)
    except ValueError as error:
        return unread([f"it is not JSON ({error})"])
    if not isinstance(values, dict):
        return unread(['it is not an object: write {"method": ..., "authors": [...], ...}'])
    kinds = typing.get_type_hints(Submission)
    fields, problems = {}, list(islice(_unknown(values), LISTED + 1))
    for part in dataclasses.fields(Submission):
        value, found = _read(part, kinds[part.name], values)
        problems += found
        if not found:
            fields[part.name] = value
    if len(problems) > LISTED:
        problems[LISTED:] = ["and more"]
    return Parsed(fields, problems, _named(values))


def unread(problems: Sequence[str]) -> Parsed:
    """Return what a submission says whose `submission.json` cannot be read, and why not."""
    return Parsed({}, list(problems), has_fields=False)


def files_of(seeds: Sequence[int]) -> dict[int, str]:
    """Return the predictions file of each seed."""
    if len(seeds) == 1:
        return {seeds[0]: SINGLE}
    return {seed: f"seed-{seed}.jsonl" for seed in seeds}


def _named(values: dict[str, Any]) -> str | None:
    found = values.get("data_set")
    name = found.get("name") if isinstance(found, dict) else None
    # Only what can be a name: it becomes a part of a path.
    return name if isinstance(name, str) and SLUG.fullmatch(name) else None


def _unknown(values: dict[str, Any]) -> Iterator[str]:
    known = [part.name for part in dataclasses.fields(Submission)]
    for name in values:
        if name not in known:
            yield f"no field is named {name!r}: {suggest(name, known)}"


def _read(part: dataclasses.Field[Any], kind: Any, values: dict[str, Any]) -> tuple[Any, list[str]]:
    """Return the value of a field, and what is wrong with it."""
    name = part.name
    if name not in values:
        if part.default_factory is dataclasses.MISSING:
            return None, [f"the field {name!r} is missing"]
        return part.default_factory(), []
    try:
        value = typed(kind, values[name], f"{STATEMENT}: {name}")
    except UsageError as error:
        return None, [str(error).removeprefix(f"{STATEMENT}: ")]
    # Not more than are told: to find the nearest name for each of thousands takes long.
    return value, list(islice(_misstated(name, value), LISTED + 1))


def _misstated(name: str, value: Any) -> Iterator[str]:
    yield from wrong(name, value)
    if name in _RULES:
        yield from _RULES[name](value)


def _method(name: str) -> Iterator[str]:
    if not SLUG.fullmatch(name) or len(name) > _LONGEST_NAME:
        cut = "..." if len(name) > _LONGEST_NAME else ""
        yield (
            f"method is {name[:_LONGEST_NAME]!r}{cut}: it must be a name of small letters, digits "
            f"and single hyphens between them, {_LONGEST_NAME} at most"
        )


def _data_set(predicted: Predicted) -> Iterator[str]:
    if not SLUG.fullmatch(predicted.name):
        yield f"data_set.name is {predicted.name[:_LONGEST_NAME]!r}: it must be a data set's name"
    if not is_sha256(predicted.content_sha256):
        yield (
            "data_set.content_sha256 is not a SHA-256: copy the 64 digits that "
            "`hsal-bench card` tells of the data set"
        )


def _seeds(seeds: tuple[int, ...]) -> Iterator[str]:
    if not 1 <= len(seeds) <= MOST_SEEDS:
        yield f"seeds lists {len(seeds):,}: 1 to {MOST_SEEDS}, one per predictions file"
    if len(set(seeds)) < len(seeds):
        yield "seeds lists one twice: every seed has a predictions file of its own"
    if any(not 0 <= seed <= _LARGEST_SEED for seed in seeds):
        yield f"seeds must be from 0 to {_LARGEST_SEED}"


def _parameters(number: int) -> Iterator[str]:
    if not 0 <= number < 2**63:
        yield "parameters must be a number of parameters, 0 or more"


def _claimed(claimed: Mapping[str, Decimal]) -> Iterator[str]:
    for name, value in claimed.items():
        if not meaning(name):
            yield f"claimed.{name} is no metric: {suggest(name, MEANINGS)}"
        elif abs(value) > _LARGEST_CLAIM:
            yield f"claimed.{name} is {shown(str(value), _SHOWN)}: no metric is that large"


_RULES: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "method": _method,
    "data_set": _data_set,
    "seeds": _seeds,
    "parameters": _parameters,
    "claimed": _claimed,
}
