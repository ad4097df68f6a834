from __future__ import annotations

import pytest

from visionpeft.reports.tex import comment, emphasised, escaped


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("a_b % & # $ {c}", r"a\_b \% \& \# \$ \{c\}"),
        ("\\input{x}", r"\textbackslash{}input\{x\}"),
        ("~ ^ <b> | \" `", r"\textasciitilde{} \textasciicircum{} \textless{}b\textgreater{} \textbar{} '' \`{}"),
        ("[2em] * --x-", r"{[}2em{]} {*} -{}-x-"),
        ("é ñ ł ß î", r"\'{e} \~{n} \l{} \ss{} \^{\i}"),
        ("e\u0301", r"\'{e}"),
        ("±† α Σ µ", r"$\pm$$\dagger$ $\alpha$ $\Sigma$ $\mu$"),
        ("中 \ud800\x00", r"\texttt{U+4E2D} \texttt{U+D800}\texttt{U+0000}"),
        ("a\n\n\tb", "a b"),
    ],
)  # fmt: skip
def test_anybodys_text_is_plain_ascii_that_means_nothing_to_latex(text: str, tex: str) -> None:
    assert escaped(text) == tex
    assert tex.isascii()


def test_emphasis_of_our_sentences_becomes_latexs() -> None:
    assert (
        emphasised("**3 seeds** of *a_b*, `9a_1` at 50 %")
        == r"\textbf{3 seeds} of \emph{a\_b}, \texttt{9a\_1} at 50 \%"
    )


def test_a_comment_stays_on_its_line() -> None:
    assert comment("a\nb\r\x00é 中") == "% a b ?\\xe9 \\u4e2d"
