"""Records among each other: what contradicts, and what a table's row mixes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from visionpeft.benchmark.record import Record

from ..contrast import budgets
from ..found import Found
from ..reading import LeaderboardError, check_digests
from ..table import Row, Setting, Table
from .finding import Finding, error, warning

FEWEST = 3
"""Seeds below which a cell says little; `ENOUGH` are recommended."""
ENOUGH = 5
VTAB = {"": 19, "natural": 7, "specialized": 4, "structured": 8}
"""How many tasks VTAB and its groups have."""
Named = Sequence[tuple[str, Record]]


def twice(records: Named) -> Iterator[Finding]:
    """Yield runs that have several records, and names of a backbone that stand for several weights."""
    files: dict[str, list[str]] = defaultdict(list)
    weights: dict[str, dict[str, str]] = defaultdict(dict)
    for file, record in records:
        backbone = record.run["backbone"]
        weights[backbone["name"]].setdefault(str(backbone["weights_sha256"]), file)
        if record.status == "ok":
            files[record.id].append(file)
    for run, names in files.items():
        if len(names) > 1:
            yield error(f"are {len(names)} records of the same run {run}; keep one of them", *names)
    for name, found in weights.items():
        if len(found) > 1:
            digests = " and ".join(digest[:8] for digest in found)
            yield warning(f"the backbone called {name} has other weights in each of these ({digests})", *found.values())


def data(found: Iterable[Found]) -> Iterator[Finding]:
    """Yield tasks that were other examples or images in two records of one data flavour, whatever else they share."""
    groups: dict[tuple[object, ...], list[Found]] = defaultdict(list)
    for one in found:
        setting = Setting.of(one.run)
        if one.record.status == "ok":
            groups[setting.suite, one.column, one.source, setting.sample].append(one)
    for group in groups.values():
        try:
            check_digests(group)
        except LeaderboardError as problem:
            yield error(str(problem))


def stored_labels(labelled: Iterable[tuple[str, Record, Mapping[str, str]]]) -> Iterator[Finding]:
    """Yield records whose stored labels are not those of another record on the same images in the same order."""
    first: dict[tuple[object, ...], tuple[str, str]] = {}
    for file, record, labels in labelled:
        for test, digest in labels.items():
            split = record.run["data"]["splits"].get(test, {})
            task = record.run["task"]
            key = (task["suite"], task["name"], test, split.get("digest"), split.get("order"))
            digest_there, other = first.setdefault(key, (digest, file))
            if digest != digest_there:
                yield error(f"the labels of {test} stored beside them differ, though the images do not", other, file)


def suites(records: Named) -> Iterator[Finding]:
    """Yield sizes of suites and groups that records disagree on, or that are not those of VTAB; averages need them."""
    sizes: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for file, record in records:
        task = record.run["task"]
        sizes[task["suite"], ""].setdefault(task["suite_tasks"], file)
        sizes[task["suite"], task["group"]].setdefault(task["group_tasks"], file)
    for (suite, group), found in sizes.items():
        name = f"{suite}'s group {group}" if group else f"the suite {suite}"
        if len(found) > 1:
            said = " and ".join(map(str, sorted(found)))
            yield error(f"{name} has {said} tasks, going by these; edited by hand, or has it grown?", *found.values())
        due = VTAB.get(group) if suite == "vtab" else None
        for size, file in found.items():
            if due not in (None, size):
                yield error(f"{name} has {due} tasks, but {size} in this record; edited by hand?", file)


def rows(tables: Iterable[Table]) -> Iterator[Finding]:
    """Yield what rows mix, which tasks they lack, how few seeds they have and seeds that made no difference."""
    for table in tables:
        yield from _budgets(table)
        for row in table.rows:
            name = f"{table.setting.suite}: {row.label}"
            yield from _mixed(name, row)
            yield from _lacking(name, row, table)
            yield from _few(name, row)
            yield from _repeated(row)
            yield from _sizes(name, row)


def _budgets(table: Table) -> Iterator[Finding]:
    """Yield rows of one table whose settings were chosen with other budgets."""
    found = budgets(table)
    if len(found) > 1:
        rows = [f"{table.setting.suite}: {label}" for labels in found.values() for label in labels]
        yield warning(f"settings of one table were chosen with unequal budgets: {'; '.join(found)}", *rows)


def _mixed(name: str, row: Row) -> Iterator[Finding]:
    done = [one.record for cell in row.cells.values() for one in cell.done]
    for what, values in {
        "precision": [_of(record.run["recipe"], "precision") for record in done],
        **{
            f"{package} version": [_of(record.provenance.get("versions"), package) for record in done]
            for package in ("torch", "timm")
        },
    }.items():
        seen = sorted({str(value) for value in values if value is not None})
        if len(seen) > 1:
            yield warning(f"one row mixes {what}s {' and '.join(seen)}", name)


def _of(values: Any, key: str) -> Any:
    return values.get(key) if isinstance(values, dict) else None


def _lacking(name: str, row: Row, table: Table) -> Iterator[Finding]:
    lacks = [c.name for c in table.columns if c.name not in row.cells and c.name not in row.absent]
    if lacks:
        yield warning(
            f"lacks {len(lacks)} of the {len(table.columns)} test sets that other rows of its table have "
            f"({', '.join(lacks[:6])}{', ...' if len(lacks) > 6 else ''}), so it shares no average with them",
            name,
        )


def _few(name: str, row: Row) -> Iterator[Finding]:
    by_number: dict[int, list[str]] = defaultdict(list)
    for column, cell in row.cells.items():
        if 0 < len(cell.seeds) < FEWEST:
            by_number[len(cell.seeds)].append(column)
    for number, columns in sorted(by_number.items()):
        seeds = "one seed" if number == 1 else f"{number} seeds"
        yield warning(
            f"{seeds} on {', '.join(columns[:6])}{', ...' if len(columns) > 6 else ''}; at least {FEWEST}, better "
            f"{ENOUGH}",
            name,
        )


def _repeated(row: Row) -> Iterator[Finding]:
    """Yield seeds that predict the same for every image: a seed that changes nothing is no repetition."""
    for cell in row.cells.values():
        same: dict[str, list[str]] = defaultdict(list)
        for one in cell.done:
            if digest := one.record.predictions.get("sha256"):
                same[digest].append(one.file)
        for files in same.values():
            if len(files) > 1:
                yield warning("predict the same class for every test image, though their seeds differ", *files)


def _sizes(name: str, row: Row) -> Iterator[Finding]:
    """Yield cells whose seeds trained other numbers of parameters, though no search settled anything."""
    for column, cell in row.cells.items():
        counts = {str(one.record.params.get("trainable")) for one in cell.done if not one.record.settled}
        if len(counts) > 1:
            yield warning(f"seeds of {column} differ in trainable parameters ({' and '.join(sorted(counts))})", name)
