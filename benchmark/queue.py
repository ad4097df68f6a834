"""Work through planned runs: skip what is done, share the work with other processes, survive one run's failure."""

from __future__ import annotations

import traceback
from collections import deque
from pathlib import Path
from typing import Any

from .plan import Planned
from .record import Record, read, record_files
from .run import execute
from .screen import Screen
from .spec import Options
from .standing import Standings
from .store import Store
from .tracking import Tracker, logs


class RunFailed(RuntimeError):
    """A run that was executed elsewhere, perhaps in another process, has failed; it has said why."""


def pending(planned: list[Planned], options: Options) -> list[Planned]:
    """Return the runs that are left to do: no record yet, and no failed one unless `retry`."""
    store = Store(options.runs)
    return [
        p
        for p in planned
        if not store.done(p.run.task.suite, p.stem) and (options.retry or store.failed(p.stem) is None)
    ]


def without_adapter(planned: list[Planned], options: Options) -> list[str]:
    """Return the records of runs that are done and left no adapter, where adapters are asked for now."""
    store = Store(options.runs)
    done = [p for p in planned if options.save and store.done(p.run.task.suite, p.stem)]
    paths = [store.root / p.run.task.suite / f"{p.stem}.json" for p in done]
    return [str(path) for path in paths if not path.with_suffix(".adapter").is_dir()]


def drain(planned: list[Planned], options: Options) -> dict[str, str]:
    """Execute what is pending and return {stem: why} of what failed.

    A run that another process holds is put back and looked at again at the end, so that several processes given the
    same command share its runs.
    """
    store, failures = Store(options.runs), {}
    standings = Standings(planned, store)
    queue, held = deque(pending(planned, options)), 0
    before = {one.stem: store.failed(one.stem) for one in queue}
    with Screen(len(queue)) as screen:
        while queue:
            one = queue.popleft()
            with store.claim(one.stem, wait=held > len(queue)) as mine:
                if not mine:
                    held += 1
                    queue.append(one)
                    continue
                held = 0
                if not store.done(one.run.task.suite, one.stem) and store.failed(one.stem) == before[one.stem]:
                    why = _attempt(one, options, screen, standings)
                    if why:
                        failures[one.stem] = why
    return failures


def _attempt(one: Planned, options: Options, screen: Screen, standings: Standings) -> str | None:
    """Execute one run; return None, or why it failed. What is nobody's fault but ours shows its traceback at once."""
    screen.start(one.stem)
    try:
        with Tracker(logs(one, options), screen.remark) as tracker:

            def on_epoch(row: dict[str, Any]) -> None:
                screen.epoch(row)
                tracker.epoch(row)

            record = execute(one, options, on_epoch, screen)
            tracker.finish(record)
    except (ValueError, OSError) as error:
        screen.remark(f"{one.stem}: failed, {error}")
        return str(error)
    except Exception as error:
        screen.remark(f"{one.stem}: failed\n{traceback.format_exc()}")
        return f"{type(error).__name__}: {error}"
    screen.finish(record, standings.of(record) if record.status == "ok" else "")
    return None if record.status == "ok" else f"{record.status}: {record.error}"


def estimate(planned: list[Planned], root: Path) -> tuple[float, int]:
    """Return the seconds that runs will take, judged by finished ones of the same method, backbone and recipe.

    The second number counts the runs nobody has an experience with.
    """
    seen: dict[tuple[str, ...], list[float]] = {}
    for path in record_files(root):
        record = _readable(path)
        seconds = record.cost.get("seconds_total") if record and record.status == "ok" else None
        if record and isinstance(seconds, (int, float)):
            seen.setdefault(_kind(record.run), []).append(seconds)
    known = [seen[kind] for p in planned if (kind := _kind(p.resolved)) in seen]
    return sum(sum(times) / len(times) for times in known), len(planned) - len(known)


def _kind(run: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(run.get(part)) for part in ("method", "backbone", "recipe"))


def _readable(path: Path) -> Record | None:
    try:
        return read(path)
    except ValueError:  # reported where it matters, in the tables
        return None
