"""What a person can do about data that is not here: files and where they belong, and every other source of a task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from visionpeft.data.download import place
from visionpeft.data.obtain import Delivery
from visionpeft.data.task import Task, find


def absence(name: str, task: Task, root: Path, source: str | None) -> str:
    """Return why a task cannot be read, and all that would change it.

    Raises:
        DataError: the task has no source called that.
    """
    asked = [s for s in task.sources if source in (None, s.name)]
    if not asked:
        find(task, root, source)
    offers = [s.delivery(root) for s in asked]
    by_hand = dict.fromkeys(offer.by_hand for offer in offers if offer and offer.by_hand)
    return "\n  ".join([f"{name} is not here", *sources(task, root), *by_hand])


def sources(task: Task, root: Path) -> Iterator[str]:
    """Yield a line for each source of a task: what it lacks, or that it can be asked for."""
    for source in task.sources:
        why = source.missing(root) or (
            "read, and downloaded, when it is asked for by that name" if source.on_request else "it is here"
        )
        yield f"source={source.name}: {why}"


def declined(orders: Iterable[Delivery], tasks: Mapping[str, Task], root: Path) -> str:
    """Return what there is to do instead of letting files be downloaded."""
    files = [place(remote, order.folder) for order in orders for remote in order.outstanding]
    lines = ["nothing was downloaded: if you accept these terms, say so with TERMS=accept"]
    lines += [f"or bring {'it' if len(files) == 1 else 'them'} yourself:", *files] if files else []
    if len(tasks) == 1:
        lines += ["or use another source:", *(line for task in tasks.values() for line in sources(task, root))]
    return "\n  ".join(lines)
