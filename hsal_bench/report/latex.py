"""Tables for LaTeX with booktabs; special characters are escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

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
    return "\n".join("\n".join(_table(table)) + "\n" for table in tables)


def escaped(text: str) -> str:
    """Return LaTeX that prints the text literally."""
    parts = (
        "".join(_SPECIAL.get(character, character) for character in part)
        for part in _LIGATURES.split(text)
    )
    return "{}".join(parts)


def _table(table: TextTable) -> Iterator[str]:
    kinds = "".join("l" if is_text(table, column) else "r" for column in table.columns)
    yield "% \\usepackage{booktabs}"
    yield r"\begin{table}"
    yield r"  \centering"
    yield rf"  \caption{{{escaped(table.title)}}}"
    yield rf"  \begin{{tabular}}{{{kinds}}}"
    yield r"    \toprule"
    yield _row(map(escaped, table.columns))
    yield r"    \midrule"
    for number, row in enumerate(table.rows):
        cells = (
            rf"\textbf{{{escaped(text)}}}" if (number, column) in table.bold else escaped(text)
            for column, text in enumerate(row)
        )
        yield _row(cells)
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    for note in table.notes:
        yield rf"  \par\smallskip{{\footnotesize {escaped(note)}\par}}"
    yield r"\end{table}"


def _row(cells: Iterable[str]) -> str:
    return rf"    {' & '.join(cells)} \\"
