"""What VTAB's splits are known to be: digests of their examples, compared with whatever is read.

`splits/digests.csv` has one line for each split of each task, written by scripts/pin_digests.py from real files and,
where keys follow from a rule, from no files at all. What nobody could compute yet is blank there.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .altered import altered, altered_lists
from .every import images_digest
from .task import DataError, Source, Split, Task

TABLE = Path(__file__).parent / "splits" / "digests.csv"
SUITE = "vtab"
POSITION = re.compile(r"\w+\[\d+\]")
"""A key that says no more than where an example stands; the others' digests cannot be compared with it."""
BY_POSITION = ("size", "labels", "images")
REASONS = {
    "images": "a file was changed or encoded anew",
    "labels": "examples have other labels or another order",
    "": "files are missing, renamed or of another release",
}
"""By what disagrees."""


@dataclass(frozen=True)
class Digests:
    """What a split is: its size and hex sha256 digests; a blank one is not known.

    Attributes:
        keys: over the sorted keys.
        order: over the keys as they come.
        labels: over the labels as they come.
        examples: over the sorted pairs of key and label, `Split.digest`.
        images: over the digests of the encoded images, or arrays, as they come: `Pixels.digest`.
    """

    size: str = ""
    keys: str = ""
    order: str = ""
    labels: str = ""
    examples: str = ""
    images: str = ""

    @classmethod
    def of(cls, split: Split, images: str = "") -> Digests:
        """Return a split's digests."""
        return cls(
            size=str(len(split)),
            keys=_digest(sorted(split.keys)),
            order=_digest(split.keys),
            labels=_digest(map(str, split.labels.tolist())),
            examples=split.digest,
            images=images,
        )

    @property
    def status(self) -> str:
        """Say what of it is known."""
        unknown = [name for name in ("keys", "labels", "images") if not self[name]]
        return f"not yet confirmed: {' '.join(unknown)}" if unknown else "confirmed"

    def __getitem__(self, name: str) -> str:
        return str(getattr(self, name))


@dataclass(frozen=True)
class Verdict:
    """Whether a split is what it should be.

    Attributes:
        state: "confirmed" (everything is known and agrees), "unknown" (nothing disagrees), "keys assumed" (nothing
            does, but positions are all that the examples are called by) or "contradicts".
        what, expected, found: the first digest that disagrees.
    """

    state: str
    what: str = ""
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        cut = slice(None if self.what == "size" else 16)
        digest = "size" if self.what == "size" else f"digest of the {self.what}"
        return f"{digest} is {self.found[cut]}, expected {self.expected[cut]}"


def confirm(task: Task, name: str, split: Split, images: str = "", sample: int = 0) -> Verdict:
    """Compare a split with what is known of it.

    Args:
        task: a task; nothing is known of other suites than VTAB.
        name: "train", "val", "trainval" or "test".
        split: its examples.
        images: the digest of its encoded images; blank before they are read, when they count as agreeing.
        sample: which training set it is a part of, where a source has several; 0: VTAB's own.
    """
    known = pinned().get((task.name, line_of(name, sample))) if task.suite == SUITE else None
    if known is None:
        return Verdict("unknown")
    found = Digests.of(split, images)
    nameless = POSITION.fullmatch(split.keys[0])
    names = BY_POSITION if nameless else [f.name for f in dataclasses.fields(Digests)]
    for what in names:
        if known[what] and found[what] and known[what] != found[what]:
            return Verdict("contradicts", what, known[what], found[what])
    if all(known[what] for what in names):
        return Verdict("confirmed")
    return Verdict("keys assumed" if nameless else "unknown")


def insist(task: Task, source: Source, name: str, split: Split, images: str = "") -> str:
    """Return the state of a split that an official source gave; the other arguments are as for `confirm`.

    Raises:
        DataError: it contradicts what is known; the message has the expected and the found digest.
    """
    if not source.official:
        return "unknown"
    verdict = confirm(task, name, split, images, source.sample)
    if verdict.state == "contradicts":
        why = explained(verdict, task, source, name, split)
        raise DataError(f"{task.suite} task {task.name}, split {name} from source {source.name}: {why}")
    return verdict.state


@contextlib.contextmanager
def blaming(task: Task, source: Source, name: str, split: Split) -> Iterator[None]:
    """Have images that cannot be decoded named as changed, with both digests, where it is known what they were."""
    try:
        yield
    except DataError:
        insist(task, source, name, split, images_digest(split)[0])
        raise


def explained(verdict: Verdict, task: Task, source: Source, name: str, split: Split) -> str:
    """Return what of a split contradicts, which images or lists do where each is known, and what to do."""
    why = f"the {verdict}; {REASONS.get(verdict.what, REASONS[''])}"
    images = altered(task.name, line_of(name, source.sample), split) if verdict.what == "images" else []
    changed = images or altered_lists(source.published, split)
    listed = "\n  ".join(["", *changed, ""]) if changed else " "
    again = f"put {'them' if len(changed) > 1 else 'it'} back as published" if changed else "get the data set again"
    removed = "what is named" if changed and not images else "the folder of the images"
    return (
        f"{why}:{listed}{again} (`make data TASK={task.suite}_{task.name}` does where {removed} is removed), or, to "
        "use these images as they are, put them into lists and read them with source=folder"
    )


def line_of(name: str, sample: int = 0) -> str:
    """Return what the table calls a split; of several training sets each has a line, the test set is one."""
    return f"{name}/{sample}" if sample and name != "test" else name


def pinned() -> dict[tuple[str, str], Digests]:
    """Return what is known, by task and split."""
    return _read(TABLE)


@lru_cache(maxsize=4)
def _read(path: Path) -> dict[tuple[str, str], Digests]:
    names = [f.name for f in dataclasses.fields(Digests)]
    with path.open(newline="", encoding="utf-8") as file:
        return {(row["task"], row["split"]): Digests(**{n: row[n] for n in names}) for row in csv.DictReader(file)}


def _digest(lines: Iterable[str]) -> str:
    text = "".join(f"{line}\n" for line in lines)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
