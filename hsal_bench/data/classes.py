"""Warnings about classes that a dataset declares and cannot train or test."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from hsal_bench.data.schema import MOST_NAME
from hsal_bench.errors import UsageError
from hsal_bench.text import named, shown

WARNING = "WARNING"
"""The first word of those notes of a dataset that are warnings."""


def check_class_names(names: Sequence[str]) -> None:
    """Check the names of a dataset's classes.

    Raises:
        UsageError: one is empty, too long or repeated, or has unprintable characters.
    """
    for number, name in enumerate(names):
        if not name or len(name) > MOST_NAME or not name.isprintable() or name in names[:number]:
            raise UsageError(
                f'class {number} has the name "{shown(name, 40)}": give each class a different '
                f"name of 1 to {MOST_NAME} printable characters"
            )


def class_warnings(
    occurring: Mapping[str, Collection[int]],
    class_names: Sequence[str],
    remedy: str = "number the labels from 0 without gaps",
) -> list[str]:
    """Return a line for the classes that occur in no split, and for those that lack training.

    occurring: the classes that occur in each split. remedy: for classes that never occur.
    """
    classes = range(len(class_names))
    absent = [c for c in classes if not any(c in split for split in occurring.values())]
    warnings = []
    if absent:
        warnings.append(
            f"{WARNING}: {_list(absent, class_names)} of {len(class_names)} never occurs: {remedy}"
        )
    for split in ("valid", "test"):
        untrained = [c for c in classes if c in occurring[split] and c not in occurring["train"]]
        if untrained:
            warnings.append(
                f"{WARNING}: {_list(untrained, class_names)} occurs in {split} and never in train, "
                "so it cannot be learned"
            )
    return warnings


def _list(classes: Sequence[int], class_names: Sequence[str]) -> str:
    return f"class {named([class_names[c] for c in classes], 5)}"
