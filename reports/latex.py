"""Draws tables as LaTeX with booktabs, for a paper: a file to input, or a document of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from . import inflation
from .footnotes import footnotes
from .markdown import DIAGNOSED, DIAGNOSTIC, LEGEND, NO_RESULT, diagnosed, header, title
from .sheet import Item, Sheet, Strip
from .shots import sheets
from .table import Column, Table
from .tex import comment, emphasised, escaped

NEEDS = r"\usepackage{booktabs,graphicx}"
DOCUMENT = f"""\
\\documentclass{{article}}
\\usepackage[landscape,margin=20mm]{{geometry}}
{NEEDS}
\\begin{{document}}
%s\\end{{document}}
"""
FLOAT = r"""\begin{table}[htbp]
\centering\setlength{\tabcolsep}{4pt}\setlength{\belowcaptionskip}{6pt}
\caption{%s}
\label{%s}
\sbox0{%%
\begin{tabular}{%s}
\toprule
%s
\midrule
%s
\bottomrule
\end{tabular}}%%
\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi
%s\end{table}
"""
NOTES = r"""\par\medskip
\begin{minipage}{\linewidth}\footnotesize\raggedright
%s
\end{minipage}
"""
BREAK = r"\\"
LONG, WORD, WIDTH = 36, 30, "p{14em}"
"""Names longer than this are broken into lines of that width, if none has a longer word."""


def page(tables: Sequence[Table], skipped: Sequence[str]) -> str:
    """Return all tables, for a document to input; what was not counted is told in comments."""
    head = [f"% needs {NEEDS}", *(comment(f"not counted: {line}") for line in skipped)]
    parts = [part for number, table in enumerate(tables, 1) for part in _parts(table, _name(number, table))]
    return "\n".join([*head, *parts])


def document(body: str) -> str:
    """Return a document that shows nothing but these tables."""
    return DOCUMENT % body.replace("\\end{table}\n", "\\end{table}\n\\clearpage\n")


def _name(number: int, table: Table) -> str:
    """Return what a table is referred to by: the suite and the table's number."""
    return f"tab:{re.sub('[^A-Za-z0-9]+', '-', table.setting.suite)}-{number}"


def _parts(table: Table, name: str) -> Iterator[str]:
    """Yield every split's digest as comments, the sheets as floats, all notes below the first, and the diagnostic."""
    yield from map(comment, _splits(table.columns))
    first, *others = sheets(table)
    part = f" {escaped(first.title)}." if first.title else ""
    caption = f"{escaped(title(table))}.{part} {emphasised(header(table))}."
    legend = [emphasised(line) for line in LEGEND.removeprefix("- ").split("\n- ")]
    digests = [escaped(f"Test images (digest): {told}.")] if (told := _tested(table.columns)) else []
    yield _sheet(first, caption, name, [*map(escaped, footnotes(table)), *legend, *digests])
    for number, sheet in enumerate(others, 1):
        yield _sheet(sheet, f"{escaped(sheet.title)}, as in Table~\\ref{{{name}}}.", f"{name}-{number}", [])
    if found := diagnosed(inflation.values(table)):
        caption = f"{NO_RESULT}, those of Table~\\ref{{{name}}}. {emphasised(DIAGNOSTIC)}"
        spec = _names([line[0] for line in found]) + "lrrlrr"
        lines = [list(map(escaped, line)) for line in found]
        yield _float([caption, f"{name}-diagnostic"], spec, [_line(map(escaped, DIAGNOSED))], lines)


def _splits(columns: Sequence[Column]) -> Iterator[str]:
    for column in columns:
        splits = (f"{name} {split['size']:,} {split['digest']}" for name, split in column.splits.items())
        yield f"{column.name} ({' or '.join(column.sources)}): {', '.join(splits)}"


def _tested(columns: Sequence[Column]) -> str:
    tests = {column.name: column.splits["test"] for column in columns if "test" in column.splits}
    return ", ".join(f"{name} {split['size']:,} ({split['digest'][:12]})" for name, split in tests.items())


def _sheet(sheet: Sheet, caption: str, name: str, notes: Sequence[str]) -> str:
    names, *numbers = sheet.strips
    spec = _names([item.text for item in names.items]) + "r" * len(numbers)
    heads = [*_over(sheet.strips), _line(_head(strip.header) for strip in sheet.strips)]
    body = [list(map(_drawn, items)) for items in zip(*(strip.items for strip in sheet.strips), strict=True)]
    return _float([caption, name], spec, heads, body, notes)


def _float(
    named: Sequence[str], spec: str, heads: Sequence[str], body: Sequence[list[str]], notes: Sequence[str] = ()
) -> str:
    """Return a table of LaTeX; named are its caption and what it is referred to by."""
    if spec.startswith(WIDTH):  # the broken lines of a name are not stretched
        body = [[f"\\raggedright {line[0]}", *line[1:]] for line in body]
    below = NOTES % "\n".join(f"{note}\\par" for note in notes) if notes else ""
    return FLOAT % (*named, spec, "\n".join(heads), "\n".join(map(_line, body)), below)


def _line(cells: Iterable[str]) -> str:
    return f"{' & '.join(cells)} {BREAK}"


def _names(labels: Sequence[str]) -> str:
    """Return how the column of names is set."""
    words = [word for label in labels for word in label.split()]
    long = max(map(len, labels), default=0) > LONG and max(map(len, words), default=0) <= WORD
    return WIDTH if long else "l"


def _over(strips: Sequence[Strip]) -> list[str]:
    """Return the line of the groups' names and the rules below them, if there are groups."""
    cells, rules, at = [], [], 1
    while at <= len(strips):
        strip = strips[at - 1]
        cells.append(f"\\multicolumn{{{strip.across}}}{{c}}{{\\emph{{{escaped(strip.over)}}}}}" if strip.over else "")
        rules += [f"\\cmidrule(lr){{{at}-{at + strip.across - 1}}}"] if strip.over else []
        at += strip.across
    return [_line(cells), "".join(rules)] if rules else []


def _head(header: str) -> str:
    """Return a column's name, on two lines where it is one of the wide ones."""
    lines = header.replace(" (M)", "\n(M)").replace("mean of ", "mean of\n").split("\n")
    return f"\\shortstack[r]{{{BREAK.join(map(escaped, lines))}}}" if len(lines) > 1 else escaped(header)


def _drawn(item: Item) -> str:
    text = f"\\textbf{{{escaped(item.text)}}}" if item.bold else escaped(item.text)
    return text + (f" {{\\scriptsize {escaped(item.small)}}}" if item.small else "")
