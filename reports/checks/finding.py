"""What a check has to say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SHOWN = 3
"""How many records or rows a finding names before it only counts them."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        error: True for what makes a figure wrong or contradicts itself; False for what needs a look, or a footnote.
        what: the finding in a sentence, without where.
        where: the records it is about, by their files relative to the store, or the rows of tables.
    """

    error: bool
    what: str
    where: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = len(self.where) - SHOWN
        names = "; ".join(self.where[:SHOWN]) + (f" and {more} more" if more > 0 else "")
        return f"{names}: {self.what}" if names else self.what


def error(what: str, *where: str) -> Finding:
    """Return a finding that makes figures wrong."""
    return Finding(True, what, where)


def warning(what: str, *where: str) -> Finding:
    """Return a finding that needs a look."""
    return Finding(False, what, where)


def gathered(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings in order, those that say the same of several places as one."""
    places: dict[tuple[bool, str], list[str]] = {}
    for one in findings:
        places.setdefault((one.error, one.what), []).extend(one.where)
    for (is_error, what), where in places.items():
        yield Finding(is_error, what, tuple(dict.fromkeys(where)))
