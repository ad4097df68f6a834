"""The command `data`: get the data sets of tasks, ask before anything is downloaded, and check what is there."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import urlsplit

from visionpeft.data.digests import pinned
from visionpeft.data.download import left
from visionpeft.data.obtain import Delivery, obtain
from visionpeft.data.task import DataError, Source, Task
from visionpeft.data.unfinished import free, readable

from .compose import read_task
from .examine import COLUMNS, Finding, examine, write
from .mapping import nearest
from .overrides import choices, preset
from .remedy import absence, declined
from .screen import complain, remark, table
from .transfers import Transfers

SETTINGS = ("task", "suite", "data", "source", "terms")
HELP = (
    "task=vtab_eurosat,vtab_dtd or task=vtab_* or suite=vtab; data=<folder> (or VISIONPEFT_DATA); "
    "source=original to check another copy than the first that is there, source=tfds to have tensorflow-datasets "
    "prepare one; terms=accept to download without a question"
)


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    tasks: dict[str, Task]
    root: Path
    source: str | None
    accepted: bool


def data(argv: list[str]) -> int:
    """Get the data sets of tasks and compare their digests with what is known.

    Exit code: 0, 1 if data is missing or contradicts what is known, 2 if the command was refused.
    """
    if not argv:
        return known()
    asked = _read(argv)
    orders = _orders(asked)
    consent = _consent(asked, [one for one in orders.values() if one.comes])
    with Transfers() as screen:
        unmet = {}
        for folder, one in orders.items():
            if not consent and one.comes:
                unmet[folder] = ""  # that has been said
            elif why := _attempt(one, screen):
                unmet[folder] = why
        findings, unread = _findings(asked, set(unmet), screen)
    _report(findings)
    problems = [*filter(None, unmet.values()), *unread, *(finding.why for finding in findings if finding.why)]
    for problem in problems:
        complain(problem)
    return 2 if not consent else 1 if problems else 0


def known() -> int:
    """Show what is known of VTAB's splits, before any file is there."""
    lines = [
        [task, split, d.size, d.examples[:12] or "-", d.images[:12] or "-", d.status]
        for (task, split), d in pinned().items()
    ]
    table(["task", "split", "size", "examples", "images", "status"], lines)
    remark(f"to get and check data: {HELP}")
    return 0


def _read(argv: list[str]) -> Asked:
    """Read the command line.

    Raises:
        ValueError: an unknown or missing setting, or no such task.
    """
    parser = argparse.ArgumentParser(prog="visionpeft data", description=(data.__doc__ or "").partition("\n")[0])
    parser.add_argument("settings", nargs="*", metavar="name=value", help=HELP)
    given: dict[str, str] = {}
    for word in parser.parse_args(argv).settings:
        name, equals, value = word.partition("=")
        if name.lower() not in SETTINGS or not equals:  # in capitals, as make passes them on
            raise ValueError(f"unknown setting {word!r};{nearest(name.lower(), list(SETTINGS))} {HELP}")
        given[name.lower()] = value
    if given.get("terms", "accept") != "accept":
        raise ValueError(f"terms={given['terms']!r}, expected terms=accept or nothing")
    folder = given.get("data") or os.environ.get("VISIONPEFT_DATA")
    if not folder:
        raise ValueError("give the folder that holds the data sets, or will, with DATA=<folder> or VISIONPEFT_DATA")
    root = Path(folder).expanduser()
    if root.exists() and not root.is_dir():
        raise ValueError(f"data: {root} is no folder")
    tasks = _tasks(given.get("task"), given.get("suite"))
    return Asked(tasks, root, given.get("source"), "terms" in given)


def _tasks(patterns: str | None, suite: str | None) -> dict[str, Task]:
    """Return the tasks that are named, or all of a suite."""
    names = [choice.name for choice in choices("task")]
    suites = {name: str(preset("task", name).suite) for name in names}
    if suite and suite not in suites.values():
        known = sorted(set(suites.values()))
        raise ValueError(f"unknown suite {suite!r};{nearest(suite, known)} it is one of {', '.join(known)}")
    found = [name for name in names if suite and suites[name] == suite]
    for pattern in filter(None, (patterns or "").split(",")):
        matching = [name for name in names if fnmatch(name, pattern.strip())]
        if not matching:
            raise ValueError(f"unknown task {pattern!r};{nearest(pattern, names)} `make list` shows them")
        found += matching
    if not found:
        raise ValueError(f"say what to get: {HELP}")
    return {name: read_task(preset("task", name)) for name in dict.fromkeys(found)}


def _considered(sources: Iterable[Source], asked: Asked) -> list[Source]:
    return [s for s in sources if (s.name == asked.source if asked.source else not s.on_request)]


def _here(sources: Iterable[Source], asked: Asked) -> list[Source]:
    """Return the sources that can be read, official ones first."""
    here = [source for source in _considered(sources, asked) if source.missing(asked.root) is None]
    return sorted(here, key=lambda source: not source.official)


def _offer(sources: Iterable[Source], asked: Asked) -> Delivery | None:
    """Return what can be had for the first of a task's sources of which something can; made is only what is named."""
    offers = [source.delivery(asked.root) for source in _considered(sources, asked)]
    wanted = [offer for offer in offers if offer and offer.missing and (offer.remotes or (offer.make and asked.source))]
    return wanted[0] if wanted else None


def _orders(asked: Asked) -> dict[Path, Delivery]:
    """Return what has to come, by folder: data that is nowhere, and official data of which there is another copy."""
    found: dict[Path, Delivery] = {}
    for task in asked.tasks.values():
        for sources in (task.sources, *(target.sources for target in task.targets)):
            here, offer = _here(sources, asked), _offer(sources, asked)
            official = any(source.official for source in sources)
            if offer and (not here or (official and not here[0].official)):
                found.setdefault(offer.folder, offer)
    return found


def _consent(asked: Asked, orders: list[Delivery]) -> bool:
    """Show what would be downloaded and under whose terms, and ask; without a terminal, terms=accept must be given."""
    if not orders:
        return True
    rows = [row for one in orders for row in _rows(one)]
    table(["data set", "file", "to download", "from"], rows)
    for one in orders:
        remark(f"{one.folder.name}: {one.terms or 'its owners state no terms'}")
    wanted = [(remote, one.folder) for one in orders for remote in one.outstanding]
    total = sum(left(*one) for one in wanted)
    unknown = any(one.make for one in orders) or not all(remote.size for remote, _ in wanted)
    new = "" if asked.root.is_dir() else " (which will be made)"
    amount = " and ".join([readable(total)] * bool(total) + ["files of unknown size"] * unknown)
    remark(f"{amount or readable(0)} to download into {asked.root}{new}, {readable(free(asked.root))} free")
    if asked.accepted:
        return True
    if sys.stdin.isatty() and sys.stderr.isatty():
        remark("download this, under these terms? [y/N]")
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    complain(declined(orders, asked.tasks, asked.root))
    return False


def _rows(one: Delivery) -> list[list[str]]:
    """Return the lines of what would be downloaded for a data set."""
    name = one.folder.name
    if one.make:
        return [[name, "what its builder asks for", "?", one.maker]]
    return [
        [name, remote.name, readable(left(remote, one.folder)) if remote.size else "?", _hosts(remote.urls)]
        for remote in one.outstanding
    ]


def _hosts(urls: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(urlsplit(url).hostname or url for url in urls))


def _attempt(delivery: Delivery, screen: Transfers) -> str:
    """Get what has to come; return what went wrong, "" if nothing did."""
    try:
        obtain(delivery, screen)
    except DataError as error:
        return str(error)
    return ""


def _findings(asked: Asked, told: set[Path], screen: Transfers) -> tuple[list[Finding], list[str]]:
    """Return what is found of all tasks, and why some cannot be read, unless that was told of their folder."""
    findings: list[Finding] = []
    problems: list[str] = []
    for name, task in asked.tasks.items():
        try:
            if here := _here(task.sources, asked):
                screen.remark(f"reading {name} from source {here[0].name}")
                findings += examine(task, here[0], asked.root, screen)
            elif (offer := _offer(task.sources, asked)) is None or offer.folder not in told:
                problems.append(absence(name, task, asked.root, asked.source))
        except DataError as error:
            problems.append(f"{name}: {error}")
    return findings, problems


def _report(findings: list[Finding]) -> None:
    """Print the table, leave the digests in full in a file, and say what contradicts."""
    if not findings:
        return
    table(COLUMNS, [finding.row for finding in findings])
    path = Path(os.environ.get("VISIONPEFT_RUNS") or "runs").expanduser() / "digests.csv"
    write(findings, path)
    remark(f"the digests in full: {path}")
    if any(finding.state in ("unknown", "keys assumed") for finding in findings):
        remark("nobody has confirmed all of these digests yet; to help, open an issue with that file")
