"""Tables for LaTeX: the whole of one, and what would break it."""

import re

import pytest

from hsal_bench.report import text_tables
from hsal_bench.report.latex import escaped, latex
from hsal_bench.report.text_tables import TextTable


def test_a_table_with_booktabs():
    table = TextTable(
        "toy_set (100 %)",
        ("method", "exact match", "macro F1"),
        (("a+b_c=1", "0.900 ± 0.010", "0.950"), ("d", "0.890 ± 0.012 †", "—")),
        ("† not significantly different from a",),
        frozenset({(0, 1)}),
    )
    assert (
        latex([table])
        == r"""% \usepackage{booktabs}
\begin{table}
\centering
\caption{toy\_set (100 \%)}
\begin{tabular}{lrr}
\toprule
method & exact match & macro F1 \\
\midrule
a+b\_c=1 & \textbf{0.900 $\pm$ 0.010} & 0.950 \\
d & 0.890 $\pm$ 0.012 $^\dagger$ & --- \\
\bottomrule
\end{tabular}
\par\smallskip{\footnotesize $^\dagger$ not significantly different from a\par}
\end{table}
"""
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"a\b{c}", r"a\textbackslash{}b\{c\}"),
        ("50 % & $5 #1 x_1", r"50 \% \& \$5 \#1 x\_1"),
        ("a~b^c", r"a\textasciitilde{}b\textasciicircum{}c"),
        ("<|>", r"\textless{}\textbar{}\textgreater{}"),
        ("[a]*", "{[}a]{*}"),
        ("--set a-b ---", "-{}-set a-b -{}-{}-"),
        (",,a, b", ",{},a, b"),
        ("a — b", "a --- b"),
        ("`a' ''", r"\textasciigrave{}a\textquotesingle{} " + r"\textquotesingle{}" * 2),
        ('"a"', r"\symbol{34}a\symbol{34}"),
        ("?`!`", r"?\textasciigrave{}!\textasciigrave{}"),
    ],
)
def test_texts_are_set_as_they_stand(text, expected):
    assert escaped(text) == expected


def test_sheets_follow_one_another():
    text = latex([TextTable("a", ("metric",), (("x",),)), TextTable("b", ("metric",), (("y",),))])
    assert re.findall(r"caption\{(.)\}", text) == ["a", "b"]
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2
    assert text_tables.is_text(TextTable("a", ("n", "meaning", "x"), ()), "meaning")
