"""The types of dataclass fields: one grammar to read, check and describe their values.

A field an option sets has one of these types: bool, int, float, str, Literal, tuple[T, ...]
("1,2", or "0-4" for whole numbers), or one of them with None. A field read from JSON
(`jsonio.typed`) may also be a Decimal, Any, Mapping[str, T] or a dataclass.
"""

from __future__ import annotations

import functools
import re
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union

from hsal_bench.errors import UsageError, suggest

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator

SETTABLE = "bool, int, float, str, Literal or tuple[T, ...], or one of these with None"
"""The types an option may have, for error messages."""

_NAMES = {
    bool: "yes or no",
    int: "whole number",
    float: "number",
    Decimal: "number",
    str: "text",
}
_LISTS = {
    int: "whole numbers, such as 0,1,3 or the range 0-3",
    float: "numbers, such as 0.5,1",
}
"""How to write a list of numbers."""
_RANGE, _LONGEST = re.compile(r"(\d+)-(\d+)"), 1_000


class Annotation(NamedTuple):
    """A type annotation, taken apart.

    kind: Literal, tuple, Mapping, Any, or the class of the value.
    choices: the values of a Literal. item: the type of each value of a tuple or Mapping.
    """

    kind: Any
    choices: tuple[Any, ...] = ()
    item: Any = None
    optional: bool = False

    @classmethod
    def of(cls, annotation: Any) -> Annotation:
        """Take an annotation apart; of a union, the first member that is not None."""
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin in (Union, types.UnionType):
            member = next(member for member in arguments if member is not type(None))
            return cls.of(member)._replace(optional=type(None) in arguments)
        if origin is Literal:
            return cls(Literal, choices=arguments)
        if origin in (tuple, Mapping):
            return cls(origin, item=arguments[0 if origin is tuple else 1])
        return cls(annotation)


def parse(text: str, annotation: Any, where: str) -> Any:
    """Return the value of type `annotation` that a text stands for.

    Raises:
        UsageError: the text is not of that type. The message starts with `where`.
    """
    kind, choices, item, optional = Annotation.of(annotation)
    if optional and text.lower() == "none":
        return None
    if kind is Literal:
        values = {str(choice): choice for choice in choices}
        if text not in values:
            raise UsageError(f"{where} is {text!r}: {suggest(text, values)}")
        return values[text]
    if kind is tuple:
        return _parse_list(text, item, where)
    from pydantic_core import ValidationError

    try:
        return _reader(kind).validate_python(text)
    except ValidationError as error:
        finite = error.errors()[0]["type"] == "finite_number"
        expected = "a finite number" if finite else noun(kind)
        raise UsageError(f"{where} is {text!r}: it must be {expected}") from None


@functools.cache
def _reader(kind: Any) -> SchemaValidator:
    """Return the reader of a single value from text: "yes", "1e-3"."""
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator

    return SchemaValidator(TypeAdapter(kind).core_schema, {"allow_inf_nan": False})


def _parse_list(text: str, item: Any, where: str) -> tuple[Any, ...]:
    words = [word.strip() for word in text.split(",")]
    texts = [number for word in words for number in _expanded(word, item, where)]
    values = []
    for part in texts:
        try:
            values.append(parse(part, item, where))
        except UsageError:
            if item not in _LISTS:
                raise
            verb = "is" if part == text else "has"
            raise UsageError(f"{where} {verb} {part!r}: write {_LISTS[item]}") from None
    return tuple(values)


def _expanded(word: str, item: Any, where: str) -> list[str]:
    """Return the whole numbers of a range such as "0-4", or the word itself."""
    ends = _RANGE.fullmatch(word) if item is int else None
    if ends is None:
        return [word]
    low, high = map(int, ends.groups())
    if high < low:
        raise UsageError(f"{where} is {word!r}, which counts down: write {high}-{low}")
    if high - low >= _LONGEST:
        raise UsageError(f"{where} is {word!r}: at most {_LONGEST:,} numbers in one range")
    return list(map(str, range(low, high + 1)))


def describe(annotation: Any) -> str:
    """Return which values a type takes, in words: "whole number, several with commas"."""
    kind, choices, item, optional = Annotation.of(annotation)
    if kind is Literal:
        *others, last = map(str, choices)
        text = f"{', '.join(others)} or {last}" if others else last
    elif kind is tuple:
        text = f"{describe(item)}, several with commas"
    else:
        text = _NAMES.get(kind, str(kind))
    return f"{text} or none" if optional else text


def noun(kind: type) -> str:
    """Return the noun for a single value with its article, such as "a whole number"."""
    return f"a {_NAMES[kind]}" if kind in _NAMES and kind is not bool else describe(kind)


def metavar(annotation: Any) -> str:
    """Return how `--help` shows the value of an option of that type: "N", "X,...", "a|b"."""
    kind, choices, item, _ = Annotation.of(annotation)
    if kind is Literal:
        return "|".join(map(str, choices))
    if kind is tuple:
        return f"{metavar(item)},..."
    return {int: "N", float: "X"}.get(kind, "TEXT")
