"""The authors' statement about predictions made elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

LONGEST = 200
"""Most characters of a text."""

MOST = 50
"""Most texts of a list."""

_NOT_IN_LINKS = set(' "<>\\^`{|}')


@dataclass(frozen=True, kw_only=True)
class Statement:
    """The authors' statement about a method that was not trained here. None of it is measured.

    `entry`: "official" if the method's own authors submitted it; "local" for predictions that
    nobody submitted, of which nothing is stated (`UNSTATED`). `link`: a paper or code.
    `extra_data`: training data besides the train and valid splits, including pretrained weights;
    empty if none. `training_compute`: in words.

    Raises:
        ValueError: a "local" entry states something. Any other: a text is empty, longer than
            `LONGEST` characters or unprintable; a list has more than `MOST` texts; there is no
            author; `link` is not a web address.
    """

    entry: Literal["official", "unofficial", "local"]
    authors: tuple[str, ...]
    link: str
    extra_data: tuple[str, ...]
    training_compute: str

    def __post_init__(self) -> None:
        if self.entry == "local":
            if any(getattr(self, name) for name in RULES):
                raise ValueError("a local entry states nothing: leave its other fields empty")
            return
        problems = [problem for name in RULES for problem in wrong(name, getattr(self, name))]
        if problems:
            raise ValueError("; ".join(problems))


def wrong(name: str, value: Any) -> Iterator[str]:
    """Yield the problems of a field's value, which has the field's type."""
    if name in RULES:
        yield from (f"{name} {problem}" for problem in RULES[name](value))


def _text(value: str) -> Iterator[str]:
    if not value.strip():
        yield "is empty: describe it in words"
    if len(value) > LONGEST:
        yield f"has {len(value):,} characters: at most {LONGEST} are allowed"
    # Escape sequences and marks that reverse the writing direction are unprintable.
    if not value.isprintable():
        yield "contains unprintable characters: remove them"


def _texts(values: tuple[str, ...]) -> Iterator[str]:
    if len(values) > MOST:
        yield f"lists {len(values):,}: at most {MOST} are allowed"
    for number, value in enumerate(values[:MOST]):
        yield from (f"[{number}] {problem}" for problem in _text(value))


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
        yield "is not a web address: it must begin with https://"


RULES: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "authors": _authors,
    "link": _link,
    "extra_data": _texts,
    "training_compute": _text,
}
"""The rule of each field, besides its type."""

UNSTATED = Statement(entry="local", authors=(), link="", extra_data=(), training_compute="")
"""The statement about predictions that nobody submitted."""
