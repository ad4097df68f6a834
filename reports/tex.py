"""Anybody's text as LaTeX: plain ASCII that compiles under every engine, font encoding and input encoding."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

SPECIAL = {char: f"\\{char}" for char in "_%&#${}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''", "`": r"\`{}", "[": "{[}", "]": "{]}", "*": "{*}",
}  # fmt: skip
"""What means something to LaTeX or has no place in its old fonts; [ and * do behind the end of a row."""
SIGNS = {
    "±": r"$\pm$", "†": r"$\dagger$", "‡": r"$\ddagger$", "·": r"$\cdot$", "×": r"$\times$", "–": "--", "—": "---",
    "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\dots{}", "−": "$-$", "→": r"$\to$", "≤": r"$\leq$",
    "≥": r"$\geq$", "≈": r"$\approx$", "∞": r"$\infty$", "°": r"$^\circ$", "²": "$^2$", "³": "$^3$", "µ": r"$\mu$",
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}",
    "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}", "§": r"\S{}",
}  # fmt: skip
ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0323": "d", "\u0327": "c", "\u0331": "b",
}  # fmt: skip
DOTLESS = {"i": r"\i", "j": r"\j"}
GREEK = {
    "αβγδεζηθικλμνξπρστυφχψω": "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho "
    "sigma tau upsilon varphi chi psi omega",
    "ΓΔΘΛΞΠΣΥΦΨΩ": "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega",
}
SIGNS |= {
    letter: f"$\\{name}$"
    for letters, names in GREEK.items()
    for letter, name in zip(letters, names.split(), strict=True)
}
EMPHASIS = re.compile(r"(\*\*[^*]+\*\*|\*[^*]+\*|`[^`]+`)")
COMMANDS = {"**": "textbf", "*": "emph", "`": "texttt"}


def escaped(text: str) -> str:
    """Return text as LaTeX prints it; what its fonts lack is named by its code point, as U+4E2D, rather than lost."""
    line = unicodedata.normalize("NFC", re.sub(r"\s+", " ", text))
    return "".join(_char(char) + "{}" * (char == after == "-") for char, after in pairwise(f"{line} "))


def _char(char: str) -> str:
    if known := SPECIAL.get(char) or SIGNS.get(char):
        return known
    if char.isascii() and char.isprintable():
        return char
    base, *marks = list(unicodedata.normalize("NFD", char))
    if base.isascii() and base.isalpha() and len(marks) == 1 and marks[0] in ACCENTS:
        return f"\\{ACCENTS[marks[0]]}{{{DOTLESS.get(base, base)}}}"
    return f"\\texttt{{U+{ord(char):04X}}}"


def emphasised(text: str) -> str:
    """Return our own sentences, whose emphasis is Markdown's, as LaTeX."""
    return "".join(map(_part, EMPHASIS.split(text)))


def _part(part: str) -> str:
    sign = next((sign for sign in COMMANDS if EMPHASIS.fullmatch(part) and part.startswith(sign)), "")
    inner = escaped(part.removeprefix(sign).removesuffix(sign))
    return f"\\{COMMANDS[sign]}{{{inner}}}" if sign else inner


def comment(text: str) -> str:
    """Return a line that LaTeX passes over."""
    line = re.sub(r"\s+", " ", text).encode("ascii", "backslashreplace").decode()
    return f"% {''.join(char if char.isprintable() else '?' for char in line)}"
