"""Tables for LaTeX with booktabs, set by pandas; special characters are escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hsal_bench.report.text_tables import TextTable, is_text

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # At the start of a row, LaTeX would read them as arguments of the previous line end.
    "[": "{[}",
    "*": "{*}",
    # Unescaped they become curly quotes, and babel gives " a special meaning.
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    '"': r"\symbol{34}",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "—": "---",
    "–": "--",
}
_LIGATURES = re.compile("(?<=-)(?=-)|(?<=,)(?=,)")
"""Between two characters that fonts join: hyphens to a dash, commas to a low quote."""


def latex(tables: Iterable[TextTable]) -> str:
    """Return each table as a `table` environment with its title as caption; needs booktabs."""
    return "\n".join(map(_table, tables))


def escaped(text: str) -> str:
    """Return LaTeX that prints the text literally."""
    return "{}".join(map(_escaped, _LIGATURES.split(text)))


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in text)


def _table(table: TextTable) -> str:
    import pandas as pd

    kinds = "".join("l" if is_text(table, column) else "r" for column in table.columns)
    cells = pd.DataFrame(list(table.rows), columns=range(len(table.columns)))
    bold = pd.DataFrame("", cells.index, cells.columns)
    for row, column in table.bold:
        bold.iloc[row, column] = "textbf:--rwrap;"
    styler = cells.style.hide(axis="index").format(lambda cell: escaped(str(cell)))
    styler = styler.apply(lambda _: bold, axis=None).relabel_index(
        list(map(escaped, table.columns)), axis="columns"
    )
    text = styler.to_latex(
        column_format=kinds,
        hrules=True,
        position_float="centering",
        caption=escaped(table.title),
    )
    notes = (rf"\par\smallskip{{\footnotesize {escaped(note)}\par}}" + "\n" for note in table.notes)
    body, end, _ = text.rpartition(r"\end{table}")
    return f"% \\usepackage{{booktabs}}\n{body}{''.join(notes)}{end}\n"
