"""A study on disk: Optuna proposes, file locks share the budget among processes, and nothing is lost to a kill -9.

Optuna's journal is written under one lock of ours. A trial is held by a lock of its own for as long as its process
lives; a trial that Optuna calls running and nobody holds was interrupted, and is run again before a new one is begun.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from .record import replace
from .space import Space
from .trial import FREE, JOURNAL, LOCKS, STUDY, Trial, load, read, text, trial_file
from .tuned import Tuning, difference, first

if TYPE_CHECKING:
    import optuna


OLDER = {"untuned_first": False}
"""What studies did before it was told."""


class Pruned(Exception):
    """A trial is stopped because it fell behind."""


@dataclass(frozen=True)
class Offer:
    """A trial to be run: its number and what it tries."""

    number: int
    settings: dict[str, Any]


class Study:
    """The trials of one study; several processes may have it open.

    Args:
        place: its folder.
        space: what is searched.
        tuning: the budget.
        seed: of the sampler.
        epochs: of a trial, for the pruner.
    """

    def __init__(self, place: Path, space: Space, tuning: Tuning, seed: int, epochs: int) -> None:
        assert tuning.trials
        self.place, self.space, self.tuning, self.seed, self.budget = place, space, tuning, seed, tuning.trials
        self.epochs = epochs

    def declare(self, told: Mapping[str, Any]) -> None:
        """Say what the study is about, or compare with what was said when it was begun.

        Raises:
            ValueError: it was begun otherwise, or with a larger budget.
        """
        path = self.place / STUDY
        with self._lock():
            before = OLDER | load(path) if path.exists() else dict(told)
            kept, now = ({key: v for key, v in side.items() if key not in FREE} for side in (before, told))
            if found := difference(kept, now):
                raise ValueError(
                    f"study {self.place.name} was begun otherwise: {found}; go on as it was begun, give this one "
                    f"another name (study=...), or move {self.place} away"
                )
            if before["trials"] > told["trials"]:
                raise ValueError(
                    f"study {self.place.name} has a budget of {before['trials']} trials, this asks for "
                    f"{told['trials']}; a budget can grow only: give another name (study=...) to a smaller one"
                )
            replace(path, text(told).encode())

    @contextmanager
    def next(self) -> Iterator[Offer | None]:
        """Hold a trial for this process; None when the budget is used up and every trial has ended."""
        offer, held = self._held()
        try:
            yield offer
        finally:
            held.release()

    def _held(self) -> tuple[Offer | None, FileLock]:
        while True:
            with self._lock():
                study = self._open()
                trials = study.get_trials(deepcopy=False)
                running = [one.number for one in trials if not one.state.is_finished()]
                for number in running:
                    lock = FileLock(self.place / LOCKS / f"{number}.lock")
                    if _taken(lock):
                        return self._again(number), lock
                lock = FileLock(self.place / LOCKS / f"{len(trials)}.lock")
                if len(trials) < self.budget and _taken(lock):
                    return self._again(None), lock
            if not running:
                return None, lock
            with FileLock(self.place / LOCKS / f"{running[0]}.lock"):  # until its process is done with it, or dead
                pass

    def _again(self, number: int | None) -> Offer:
        """Return what a trial tries: a new one, or one whose process has died, perhaps before it had all its values.

        Each trial has a generator of its own, so that what is proposed depends on the trials before it and on nothing
        else: an interrupted study goes on as if it had not been.
        """
        from optuna.trial import Trial as Suggesting

        study = self._open()
        trials = study.get_trials(deepcopy=False)
        study.sampler = self._sampler(len(trials) if number is None else number)
        trial = study.ask() if number is None else Suggesting(study, trials[number]._trial_id)
        return Offer(trial.number, self.space.suggest(trial))

    def report(self, number: int, epoch: int, accuracy: float) -> None:
        """Tell an epoch's validation accuracy.

        Raises:
            Pruned: the trial is not worth going on with.
        """
        from optuna.trial import Trial as Reporting

        with self._lock():
            study = self._open()
            found = study.get_trials(deepcopy=False)[number]
            trial = Reporting(study, found._trial_id)
            if epoch not in found.intermediate_values:  # a trial that is run again has told it before
                trial.report(accuracy, epoch)
            if epoch < self.epochs and trial.should_prune():  # what has been trained to its end is judged
                raise Pruned

    def tell(self, trial: Trial) -> None:
        """Keep a finished trial. One that failed counts, as the worst there can be."""
        from optuna.trial import TrialState

        with self._lock():
            path = trial_file(self.place, trial.number)
            path.parent.mkdir(exist_ok=True)
            replace(path, text(trial).encode())
            self._end(trial, TrialState)

    def _end(self, trial: Trial, states: Any) -> None:
        state = states.PRUNED if trial.status == "pruned" else states.COMPLETE
        value = None if trial.status == "pruned" else trial.accuracy
        self._open().tell(trial.number, value, state=state, skip_if_finished=True)

    def finished(self, number: int) -> Trial | None:
        """Return a trial that was kept, but whose process died before Optuna heard of it."""
        path = trial_file(self.place, number)
        return read(Trial, path) if path.exists() else None

    def _lock(self) -> FileLock:
        (self.place / LOCKS).mkdir(parents=True, exist_ok=True)  # here, so that a dry run leaves no folder
        return FileLock(self.place / LOCKS / "study.lock")

    def _open(self) -> optuna.Study:
        """Return Optuna's study as the journal has it; to be called under the lock."""
        optuna = _optuna()
        path = self.place / JOURNAL
        if path.exists():
            _mend(path)
        backend = optuna.storages.journal.JournalFileBackend(str(path), lock_obj=_Unlocked())
        return optuna.create_study(
            storage=optuna.storages.JournalStorage(backend),
            sampler=optuna.samplers.RandomSampler(seed=self.seed),  # of no effect; who proposes is chosen per trial
            pruner=self._pruner(),
            study_name=self.place.name,
            direction="maximize",
            load_if_exists=True,
        )

    def _pruner(self) -> optuna.pruners.BasePruner:
        pruners = _optuna().pruners
        if self.tuning.pruner == "none":
            return pruners.NopPruner()
        return pruners.SuccessiveHalvingPruner(min_resource=max(1, self.epochs // 4), reduction_factor=2)

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        samplers = _optuna().samplers
        if self.tuning.sampler == "grid":
            return samplers.GridSampler({name: one.grid for name, one in self.space.domains.items()}, seed=self.seed)
        if number == 0 and (settings := first(self.tuning, self.space)):
            return samplers.GridSampler({name: [value] for name, value in settings.items()}, seed=self.seed)
        drawn = int.from_bytes(hashlib.sha256(f"{self.seed}\t{number}".encode()).digest()[:4], "big")
        if self.tuning.sampler == "random":
            return samplers.RandomSampler(seed=drawn)
        return samplers.TPESampler(seed=drawn)


class _Unlocked:
    """No lock: the journal is used under the study's own alone, which dies with its process."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _taken(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _mend(path: Path) -> None:
    """Cut off a line that a killed process did not finish."""
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)  # never empty on the way, should this one be killed too


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise ValueError("optuna is not installed; pip install 'visionpeft[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
