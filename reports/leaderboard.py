"""The leaderboard, a pure function of the records: `python -m visionpeft.reports.leaderboard RUNS_DIR`.

No torch in here or in anything it imports: the table can be rebuilt on any laptop.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from visionpeft.benchmark.record import replace
from visionpeft.benchmark.trial import BadStudy

from . import budget, inflation, literature, markdown, page, shots, terminal, tidy, wandb_log
from .build import sound_tables
from .reading import LeaderboardError, load, missing
from .table import Table

__all__ = ["LeaderboardError", "main", "write"]

LEFT_OUT = "a table"
"""How a line begins that says why a table could not be made."""


def write(root: Path, beside_published: bool = False) -> tuple[list[Table], list[str], list[Path]]:
    """Write leaderboard.md, .csv and .html into a store, and the table beside published figures if asked for.

    Returns:
        The tables, one line for each file and each table that is left out, and the files written; nothing is written
        if there is nothing to tabulate.

    Raises:
        LeaderboardError: records that must not be averaged, and no table without them.
    """
    found, skipped = load(root)
    made, refusals = sound_tables(found)
    if refusals and not made:
        raise refusals[0]
    skipped += [f"{LEFT_OUT}: {error}" for error in refusals]
    studies = _studies(root, skipped)
    texts, told = {}, [inflation.values(table) for table in made]
    if made:
        texts = {"md": markdown.page(made, skipped, told), "csv": tidy.text(made)}
        texts["html"] = page.text(made, skipped, told, studies)
        texts = {f"leaderboard.{end}": text for end, text in texts.items()}
    texts |= {"leaderboard_shots.csv": curve} if (curve := shots.text(made)) else {}
    texts |= {"leaderboard_inflation.csv": rules} if (rules := inflation.text(made, told)) else {}
    if beside_published:
        texts |= {f"leaderboard_published.{end}": text for end, text in literature.texts(made).items()}
    for name, text in texts.items():
        replace(root / name, text.encode())
    return made, skipped, [root / name for name in texts]


def _studies(root: Path, skipped: list[str]) -> list[budget.Curve]:
    """Return what tuning found over its budget; studies that cannot be read are among the skipped, all of them."""
    try:
        return budget.curves(root)
    except BadStudy as error:
        skipped.append(f"studies: {error}")
        return []


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, or 2 with a message if a table, or all, cannot be made."""
    parser = argparse.ArgumentParser(prog="visionpeft.reports.leaderboard", description="Tables from records.")
    parser.add_argument("runs", type=Path, metavar="RUNS_DIR", help="folder of records, <suite>/*.json")
    parser.add_argument("--published", action="store_true", help="also set our rows beside published figures")
    parser.add_argument("--wandb", default="disabled", help=f"also log it there: {', '.join(wandb_log.MODES)}")
    given = parser.parse_args(argv)
    if given.wandb not in wandb_log.MODES:
        return terminal.complain(f"--wandb is one of {', '.join(wandb_log.MODES)}; given {given.wandb}")
    if why := missing(given.runs):
        return terminal.complain(why)
    try:
        made, skipped, files = write(given.runs, given.published)
    except (LeaderboardError, OSError) as error:
        return terminal.complain(f"no leaderboard: {error}")
    _show(made, skipped, files, given.published)
    if not made:
        return terminal.complain(
            f"no records to tabulate in {given.runs}; a run leaves one there, for instance: make demo"
        )
    if given.wandb != "disabled" and not _sent(made, files, given):
        return 2
    return 2 if any(line.startswith(f"{LEFT_OUT}: ") for line in skipped) else 0


def _sent(made: Sequence[Table], files: Sequence[Path], given: argparse.Namespace) -> bool:
    """Log the leaderboard elsewhere and say where; False, with a message, if it cannot be."""
    try:
        where = wandb_log.send(made, files, given.runs, given.wandb)
    except (LeaderboardError, OSError) as error:
        terminal.complain(f"the leaderboard is written, and not logged: {error}")
        return False
    terminal.say(f"\n{'to send it' if given.wandb == 'offline' else 'logged'}: {where}\n")
    return True


def _show(made: Sequence[Table], skipped: Sequence[str], files: Sequence[Path], beside_published: bool) -> None:
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without these signs is no reason to fail
    with terminal.until_the_reader_leaves():
        terminal.show(made, sys.stdout, beside_published)
        for name, lines in (("not counted:", skipped), ("written:", files)):
            if lines:
                terminal.say("\n  ".join([f"\n{name}", *map(str, lines)]) + "\n")


if __name__ == "__main__":
    sys.exit(main())
