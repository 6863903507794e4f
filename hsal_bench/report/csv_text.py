"""Data frames as CSV that a spreadsheet opens without running anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hsal_bench.text import shown

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = tuple("=+-@＝＋－＠")  # noqa: RUF001 - some versions read the wide forms too
"""First characters with which spreadsheets start a formula (OWASP, "CSV Injection")."""


def csv_text(frame: pd.DataFrame) -> str:
    """Return the frame as CSV, without its index.

    Names and reasons come from records, which anybody can write: a text that would start a formula
    gets a leading apostrophe, and line breaks, which would start a cell, are escaped. Numbers stay
    numbers.
    """
    texts = frame.select_dtypes(include=["object", "string"]).columns
    safe = frame.assign(**{name: frame[name].map(_inert) for name in texts})
    return safe.rename(columns=_inert).to_csv(index=False)


def _inert(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = shown(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
