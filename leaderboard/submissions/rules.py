"""The rules for submissions. Each is checked independently of the others.

A rule returns what it has checked. It raises `Failed` with all problems, or `Skipped` if something
that it needs is unavailable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

import numpy as np

from hsal_bench import registry
from hsal_bench.checking import Failed, Skipped, listed
from hsal_bench.metrics.scores import HEADLINE
from hsal_bench.text import shown

from .entry import Opened
from .files import STATEMENT, files_of
from .scores import Scored, comparable, copies, duplicate_seeds, predictions_files, undecided

LONGEST = 500
"""Most characters of a line."""

_EXACT = 1e-9
_BELOW = "\n" + " " * 9


def problem_text(problems: Sequence[str]) -> str:
    """Return problems as text, below each other if there are several."""
    texts = [shown(problem, LONGEST) for problem in problems]
    return _BELOW.join([f"{len(texts)} problems", *texts] if len(texts) > 1 else texts)


def _refuse(problems: Sequence[str]) -> None:
    """Raise Failed with all problems, if there are any."""
    if problems:
        raise Failed(problem_text(problems))


def _files(entry: Opened) -> str:
    """Only the files of a submission are submitted."""
    _refuse(listed(entry.files.problems))
    return ", ".join(entry.files.packed)


def _statement(entry: Opened) -> str:
    """Every field is present and valid."""
    _refuse(entry.stated.problems)
    fields = entry.stated.fields
    return f"{fields['entry']} entry of {', '.join(fields['authors'])}"


def _name(entry: Opened) -> str:
    """The name of the method is not taken."""
    name, authors = entry.field("method"), entry.stated.fields.get("authors")
    if name in registry.names(registry.METHODS):
        raise Failed(f"{name!r} is a method of this benchmark: choose a different name")
    doubtful = []
    for file, record in entry.known.items():
        others = record.stated.authors if record.stated else None
        if record.method != name or (others and others == authors):
            continue
        owner = f"an entry of {', '.join(others)}" if others else "a run"
        taken = f"{name!r} is the name of {owner} ({file})"
        if not others or authors is not None:
            raise Failed(f"{taken}: choose a different name")
        doubtful.append(taken)
    if doubtful:
        raise Skipped(f"{doubtful[0]}, but {STATEMENT} states no valid authors")
    return str(name)


def _seeds(entry: Opened) -> str:
    """Every seed has a predictions file, and every file has a seed."""
    wanted = files_of(entry.field("seeds"))
    names, files = list(wanted.values()), predictions_files(entry.files)
    missing = [f"{name} is missing" for name in names if name not in files]
    extra = [
        f"{name} matches no seed in {STATEMENT}: expected {' and '.join(names)}"
        for name in files
        if name not in names
    ]
    _refuse(missing + extra)
    return ", ".join(map(str, wanted))


def _data_set(entry: Opened) -> str:
    """The stated dataset is the one in the dataset file."""
    _refuse([entry.not_found] if entry.not_found else entry.data_differences)
    header = entry.predicted().header
    entry.field("data_set")
    return f"{header.name}, content {header.content_sha256[:12]}"


def _predictions(entry: Opened) -> str:
    """Every predictions file has every image once and only valid labels."""
    scored, problems = entry.scores
    _refuse(problems)
    if not scored:
        raise Skipped("there is no predictions file")
    return "; ".join(_headline(scored))


def _headline(scored: Mapping[str, Scored]) -> Iterator[str]:
    for file, scores in scored.items():
        yield f"{file}: " + ", ".join(f"{name} {scores.metrics[name]:.4f}" for name in HEADLINE)


def _claims(entry: Opened) -> str:
    """The claimed numbers agree with the recomputed ones."""
    seeds, claimed = entry.seeds(), entry.field("claimed")
    _refuse(list(_wrong_claims(claimed, seeds)))
    return f"{', '.join(claimed)}: all claims confirmed" if claimed else "no claims"


def _wrong_claims(claimed: Mapping[str, Decimal], seeds: Mapping[int, Scored]) -> Iterator[str]:
    """Yield the claims that differ from the recomputed numbers by more than their rounding."""
    for name, claim in claimed.items():
        scores = [scored.metrics.get(name, math.nan) for scored in seeds.values()]
        recomputed = float(np.mean(scores))
        # A whole number counts as one decimal: a claim of 1 must not cover 0.6.
        rounding = 0.5 * 10.0 ** min(int(claim.as_tuple().exponent), -1)
        if not abs(recomputed - float(claim)) <= rounding + _EXACT:
            yield f"claimed {name} {claim}, recomputed {recomputed:.6g}: correct or remove it"


def _copies(entry: Opened) -> str:
    """The predictions are not those of another seed or method."""
    seeds = entry.seeds()
    _refuse(list(duplicate_seeds(seeds)))
    others = comparable(
        entry.field("method"), seeds, entry.predicted().header.content_sha256, entry.known
    )
    _refuse(list(copies(seeds, others)))
    if not others:
        raise Skipped("there are no other records of these images")
    compared = f"{len(others):,} records of these images"
    if unknown := undecided(seeds, others):
        raise Skipped(
            "cannot be checked: older records without a predictions hash get the same images "
            f"right ({', '.join(unknown)}; {len(unknown):,} of {compared})"
        )
    return f"none among {compared}"


RULES: Mapping[str, Callable[[Opened], str]] = {
    "files": _files,
    STATEMENT: _statement,
    "name": _name,
    "seeds": _seeds,
    "dataset": _data_set,
    "predictions": _predictions,
    "claimed numbers": _claims,
    "copies": _copies,
}
"""The rules, in the order of the report."""
