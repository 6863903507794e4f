"""What is checked of an entry, each rule alone: none waits for another that is broken.

A rule returns what was seen. It raises `Failed` with all problems, or `Skipped` where something
that it takes cannot be had.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

import numpy as np

from hsal_bench import registry
from hsal_bench.checking import Failed, Skipped
from hsal_bench.text import shown

from .copies import comparable, copies, twins, untold
from .entry import Entry
from .files import STATEMENT, listed
from .scores import Scored, predictions_files
from .statement import files_of

LONGEST = 500
"""Characters of a line."""

_TOLD = ("exact_match", "macro_f1")
_EXACT = 1e-9
_BELOW = "\n" + " " * 9


def lines(problems: Sequence[str]) -> str:
    """Return problems as they are told, below each other if there are several."""
    told = [shown(problem, LONGEST) for problem in problems]
    return _BELOW.join([f"{len(told)} problems", *told] if len(told) > 1 else told)


def _refuse(problems: Sequence[str]) -> None:
    """Raise Failed if there are problems, with all of them."""
    if problems:
        raise Failed(lines(problems))


def _files(entry: Entry) -> str:
    """Nothing is handed in but the files of a submission."""
    _refuse(listed(entry.files.problems))
    return ", ".join(entry.files.packed)


def _statement(entry: Entry) -> str:
    """Every field is stated, of its type and within its bounds."""
    _refuse(entry.stated.problems)
    fields = entry.stated.fields
    return f"{fields['entry']} entry of {', '.join(fields['authors'])}"


def _name(entry: Entry) -> str:
    """The method's name is nobody else's."""
    name, authors = entry.told("method"), entry.stated.fields.get("authors")
    if name in registry.names(registry.METHODS):
        raise Failed(f"{name!r} is a method of this benchmark: choose another name")
    doubtful = []
    for file, record in entry.known.items():
        others = record.stated.authors if record.stated else None
        if record.method != name or (others and others == authors):
            continue
        taken = f"{name!r} is the name of an entry of "
        taken += f"{', '.join(others) if others else 'a run'} ({file})"
        if not others or authors is not None:
            raise Failed(f"{taken}: choose another")
        doubtful.append(taken)
    if doubtful:
        raise Skipped(f"{doubtful[0]}, and {STATEMENT} does not say whose this one is")
    return str(name)


def _seeds(entry: Entry) -> str:
    """Every seed has its predictions file, and every file its seed."""
    wanted = files_of(entry.told("seeds"))
    names, there = list(wanted.values()), predictions_files(entry.files)
    missing = [f"{name} is missing" for name in names if name not in there]
    beside = [
        f"{name} is of no seed in {STATEMENT}: {' and '.join(names)} would be"
        for name in there
        if name not in names
    ]
    _refuse(missing + beside)
    return ", ".join(map(str, wanted))


def _data_set(entry: Entry) -> str:
    """What was predicted is what the data set's file holds."""
    _refuse([entry.not_found] if entry.not_found else entry.other_data)
    header = entry.predicted().header
    entry.told("data_set")
    return f"{header.name}, content {header.content_sha256[:12]}"


def _predictions(entry: Entry) -> str:
    """Every predictions file has every image once, and no label that is no class."""
    scored, problems = entry.scores
    _refuse(problems)
    if not scored:
        raise Skipped("there is no predictions file")
    return "; ".join(_headline(scored))


def _headline(scored: Mapping[str, Scored]) -> Iterator[str]:
    for file, one in scored.items():
        yield f"{file}: " + ", ".join(f"{name} {one.metrics[name]:.4f}" for name in _TOLD)


def _claims(entry: Entry) -> str:
    """The numbers that are claimed are those that the predictions come to."""
    seeds, claimed = entry.seeds(), entry.told("claimed")
    _refuse(list(_belied(claimed, seeds)))
    return f"{', '.join(claimed)}: none is belied" if claimed else "none is claimed"


def _belied(claimed: Mapping[str, Decimal], seeds: Mapping[int, Scored]) -> Iterator[str]:
    """Yield which claims are not what the predictions come to, rounded as the claim is."""
    for name, claim in claimed.items():
        found = float(np.mean([one.metrics.get(name, math.nan) for one in seeds.values()]))
        # A whole number is held to a tenth: a claim of 1 would else go with 0.6.
        rounding = 0.5 * 10.0 ** min(int(claim.as_tuple().exponent), -1)
        if not abs(found - float(claim)) <= rounding + _EXACT:
            yield f"{name} is claimed as {claim}, and comes to {found:.6g}: mend or drop the claim"


def _copies(entry: Entry) -> str:
    """Predictions are no other seed's and no other method's."""
    seeds = entry.seeds()
    _refuse(list(twins(seeds)))
    others = comparable(
        entry.told("method"), seeds, entry.predicted().header.content_sha256, entry.known
    )
    _refuse(list(copies(seeds, others)))
    if not others:
        raise Skipped("there are no other records of these images to compare with")
    told = f"{len(others):,} records of these images"
    if unknown := untold(seeds, others):
        raise Skipped(
            f"{len(unknown):,} of {told} cannot be compared: right on the same images, without a "
            f"hash of what was predicted ({', '.join(unknown)})"
        )
    return f"none among {told}"


RULES: Mapping[str, Callable[[Entry], str]] = {
    "files": _files,
    STATEMENT: _statement,
    "name": _name,
    "seeds": _seeds,
    "data set": _data_set,
    "predictions": _predictions,
    "claimed numbers": _claims,
    "copies": _copies,
}
"""The rules, in the order in which what comes of them is told."""
