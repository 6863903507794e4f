"""What the authors of predictions that were made elsewhere state of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

LONGEST = 200
"""Characters of a text."""

MOST = 50
"""Texts of a list."""

_NOT_IN_LINKS = set(' "<>\\^`{|}')


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What stands beside numbers whose method was not trained here. Nothing of it is measured.

    `entry`: what it asks to be shown as; "official" is one by the method's own authors. `link`: a
    paper or code. `extra_data`: what was learnt from beside the train and valid splits, pretrained
    weights among it; empty if nothing. `training_compute`: in words.

    Raises:
        ValueError: a text is empty, of more than `LONGEST` characters or holds some that do not
            print; more than `MOST` of them; no author; `link` is not a web address.
    """

    entry: Literal["official", "unofficial"]
    authors: tuple[str, ...]
    link: str
    extra_data: tuple[str, ...]
    training_compute: str

    def __post_init__(self) -> None:
        found = [problem for name in RULES for problem in wrong(name, getattr(self, name))]
        if found:
            raise ValueError("; ".join(found))


def wrong(name: str, value: Any) -> Iterator[str]:
    """Yield what is wrong with a field's value, which is of the field's type."""
    if name in RULES:
        yield from (f"{name} {told}" for told in RULES[name](value))


def _text(value: str) -> Iterator[str]:
    if not value.strip():
        yield "is empty: say it in words"
    if len(value) > LONGEST:
        yield f"has {len(value):,} characters: {LONGEST} at most"
    # Escape sequences and marks that reverse the direction of writing do not print.
    if not value.isprintable():
        yield "holds characters that do not print: leave them out"


def _texts(values: tuple[str, ...]) -> Iterator[str]:
    if len(values) > MOST:
        yield f"lists {len(values):,}: {MOST} at most"
    for number, value in enumerate(values[:MOST]):
        yield from (f"[{number}] {told}" for told in _text(value))


def _authors(values: tuple[str, ...]) -> Iterator[str]:
    if not values:
        yield "is empty: name at least one"
    yield from _texts(values)


def _link(value: str) -> Iterator[str]:
    yield from _text(value)
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc or _NOT_IN_LINKS & set(value):
        yield "is not a web address: give one that begins with https://"


RULES: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "authors": _authors,
    "link": _link,
    "extra_data": _texts,
    "training_compute": _text,
}
"""What a field must be beside its type."""
