"""The command `tune`: an equal, recorded number of trials for every method, on images that are not tested on."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from statistics import fmean
from typing import Any

from visionpeft.data.learnt import untested

from .compose import Wanted
from .plan import Planned, Refused, plan
from .record import Record, read, replace
from .run import execute
from .screen import Screen, complain, remark, table
from .space import tried
from .spec import Options, Run
from .store import Store
from .study import Offer, Pruned, Study
from .trial import CHOSEN, Chosen, Trial, best, folder, read_trials, text
from .tuned import budget, declared, name_of


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A study that can start.

    Attributes:
        name: its name.
        wanted: what was asked for.
        told: all that the study is told, as it is kept.
        study: its trials.
        options: where and how its runs are executed; their records go into its folder.
    """

    name: str
    wanted: Wanted
    told: dict[str, Any]
    study: Study
    options: Options


def tune(wanted: list[Wanted], options: Options) -> int:
    """Run studies one after the other and return the exit code."""
    studies = prepare(wanted, options)
    if options.dry:
        rows = [[one.name, str(len(read_trials(one.study.place))), str(one.wanted.tuning.trials)] for one in studies]
        table(["study", "finished", "trials"], rows)
        return 0
    failed = 0
    for one in studies:
        try:
            one.study.declare(one.told)
            spend(one)
            failed += not finish(one)
        except (ValueError, OSError) as error:
            complain(f"study {one.name}: {error}")
            failed += 1
    return 1 if failed else 0


def prepare(wanted: list[Wanted], options: Options) -> list[Prepared]:
    """Check studies before any of them starts: data, budgets, and every end of what is searched.

    Raises:
        Refused: everything that is wrong.
    """
    names = [name_of(one.run, one.tuning) for one in wanted]
    if twice := {name for name in names if names.count(name) > 1}:
        raise Refused(f"several studies are called {', '.join(sorted(twice))}; leave study=... out, or give it to one")
    if options.save or options.tensorboard or options.wandb != "disabled":
        remark("note: trials keep no adapters and are not sent to trackers; final runs are")
    studies = []
    for name, one in zip(names, wanted, strict=True):
        points = one.space.points
        if one.tuning.sampler == "grid" and one.tuning.trials and one.tuning.trials > points:
            raise Refused(f"study {name}: the grid has {points} points, {one.tuning.trials} trials are more of them")
        if one.tuning.untuned_first and one.tuning.sampler != "grid" and (lacking := one.space.lacking):
            remark(f"note: study {name} draws all trials: its space does not hold the untuned {shown(lacking)}")
        if planned := _planned(one, options):  # else the data is not there, and available=true leaves it out
            studies.append(_prepared(name, one, planned[0], options))
    return studies


def _planned(one: Wanted, options: Options) -> list[Planned]:
    """Plan a trial of the settings as they are, one for each end of each field, and each fold."""
    ends = [{name: value} for name, domain in one.space.domains.items() for value in domain.ends]
    runs = [trial_run(one, settings, None) for settings in [{}, *ends]]
    folds = [trial_run(one, {}, fold) for fold in range(one.tuning.folds)]
    planned = plan([*runs, *folds], options)
    for found in planned[-len(folds) :]:
        val = found.resolved["data"]["splits"]["val"]
        if val.get("of_train") == val["size"]:
            raise Refused(
                f"{one.run.task.suite} task {one.run.task.name} has no validation images: all {val['size']} are "
                "training images, so trials would be chosen by training accuracy; give folds=5, or a source with others"
            )
    return planned


def _prepared(name: str, one: Wanted, whole: Planned, options: Options) -> Prepared:
    assert one.tuning.trials
    said = declared(whole.resolved, one.space.domains)
    splits = {split: part["digest"] for split, part in whole.resolved["data"]["splits"].items()}
    spent = budget(one.tuning, one.run.seed, one.space, splits)
    told = {
        **said,
        "space": one.space.written,
        **{key: v for key, v in spent.items() if key not in ("space", "splits")},
    }
    place = folder(options.runs, name)
    study = Study(place, one.space, one.tuning, one.run.seed, one.run.recipe.epochs)
    own = dataclasses.replace(options, runs=place, save=False, wandb="disabled", tensorboard=False)
    return Prepared(name, one, told | {"budget": spent}, study, own)


def trial_run(one: Wanted, settings: dict[str, Any], fold: int | None) -> Run:
    """Return the run of a trial: trained on a part of what may be learnt from, without any test set.

    Args:
        one: the study.
        settings: what is tried.
        fold: which fold is held out; None: the task's own val, whatever the study does.
    """
    folds = one.tuning.folds if fold is not None else 1
    run = tried(one.run, settings)
    return dataclasses.replace(
        run,
        task=untested(run.task, folds, fold or 0, run.seed),
        recipe=dataclasses.replace(run.recipe, train_on="train"),
        label=f"{run.method_name} (trial)",
        overrides=("tune", *(run.overrides or ())),
    )


def spend(one: Prepared) -> None:
    """Run what is left of the budget, sharing it with other processes that were given the same command."""
    began, before = time.monotonic(), len(read_trials(one.study.place))
    if before:
        remark(f"{one.name}: {before} of {one.study.budget} trials are done already")
    with Screen(one.study.budget - before) as screen:
        while True:
            with one.study.next() as offer:
                if offer is None:
                    return
                screen.start(f"{one.name} trial {offer.number + 1}")
                one.study.tell(one.study.finished(offer.number) or attempt(one, offer, screen))
            trials = read_trials(one.study.place)
            pace = (time.monotonic() - began) / max(1, len(trials) - before)
            screen.ended(_progress(one, trials, offer, pace))


def attempt(one: Prepared, offer: Offer, screen: Screen) -> Trial:
    """Run a trial and return how it ended."""
    seen: list[float] = []

    def on_epoch(row: dict[str, Any]) -> None:
        screen.epoch(row)
        if "val" in row and one.wanted.tuning.pruner != "none":
            seen.append(row["val"])
            one.study.report(offer.number, row["epoch"], row["val"])

    began = time.monotonic()
    lr = tried(one.wanted.run, offer.settings).recipe.lr
    try:
        records = [_run(one, offer, fold, on_epoch, screen) for fold in range(one.wanted.tuning.folds)]
    except Pruned:
        seconds = time.monotonic() - began
        return Trial(offer.number, "pruned", offer.settings, lr, seen[-1], None, seen, [], seconds)
    return _judged(offer, lr, records)


def _run(one: Prepared, offer: Offer, fold: int, on_epoch: Callable[[dict[str, Any]], None], screen: Screen) -> Record:
    """Return the record of one fold: the one that is there, or a new one."""
    (planned,) = plan([trial_run(one.wanted, offer.settings, fold)], one.options)
    store, suite = Store(one.options.runs), planned.run.task.suite
    with store.claim(planned.stem, wait=True):  # another process may be at the same settings
        for place in (suite, "failed"):
            path = store.root / place / f"{planned.stem}.json"
            if path.exists():  # the same settings were proposed before, or the process died just after it was written
                return read(path)
        watch = one.wanted.tuning.pruner != "none"
        return execute(planned, one.options, on_epoch, screen, watch)


def _judged(offer: Offer, lr: float, records: list[Record]) -> Trial:
    status = next((record.status for record in records if record.status != "ok"), "ok")
    stems, seconds = [record.stem for record in records], sum(r.cost.get("seconds_train", 0.0) for r in records)
    seen = [row["val"] for row in records[0].curve if "val" in row] if len(records) == 1 else []
    if status != "ok":
        return Trial(offer.number, status, offer.settings, lr, 0.0, None, seen, stems, seconds)
    accuracy = fmean(record.scores["val"] for record in records)
    loss = fmean(record.losses["val"] for record in records)
    return Trial(offer.number, "ok", offer.settings, lr, accuracy, loss, seen, stems, seconds)


def _progress(one: Prepared, trials: list[Trial], offer: Offer, pace: float) -> str:
    last = next(trial for trial in trials if trial.number == offer.number)
    found, left = best(trials), one.study.budget - len(trials)
    top = f"best {100 * found.accuracy:.2f} % (trial {found.number + 1})" if found else "none has finished yet"
    after = f"{left} left, about {left * pace / 60:.1f} min" if left else "none left"
    own = f"val {100 * last.accuracy:.2f} %" if last.status == "ok" else last.status
    return f"{one.name}: trial {last.number + 1}, {own} with {shown(last.settings)}; {top}; {after}"


def finish(one: Prepared) -> bool:
    """Keep what was chosen and show it; False if there is nothing to choose from."""
    trials = read_trials(one.study.place)
    found = best(trials)
    if found is None:
        complain(f"study {one.name}: none of its {len(trials)} trials has finished, so there is nothing to choose")
        return False
    assert found.loss is not None
    told = dict(one.told)
    spent = told.pop("budget")
    chosen = Chosen(one.name, found.settings, found.number, found.accuracy, found.loss, spent, told)
    replace(one.study.place / CHOSEN, text(chosen).encode())
    failed = sum(trial.status != "ok" for trial in trials)
    remark(
        f"{one.name}: chose trial {found.number + 1} of {len(trials)} ({failed} without a score), val "
        f"{100 * found.accuracy:.2f} %, {shown(found.settings)}; final runs take it with per_task=tuned (TUNED=1)"
    )
    return True


def shown(settings: dict[str, Any]) -> str:
    """Return settings as a command line would have them."""
    words = {k: f"{v:.3g}" if isinstance(v, float) else str(v).replace(" ", "") for k, v in settings.items()}
    return " ".join(f"{name}={word}" for name, word in words.items())
