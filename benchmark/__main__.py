"""The command line: `python -m visionpeft.benchmark [tune] [-m] name=value ...`, or `visionpeft predict|merge ...`."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

if __name__ == "__main__":  # the rest takes seconds to import, in which nothing is lost: no traceback
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from .compose import Wanted, compose_options, compose_run, compose_study
from .overrides import CommandLine, suite_sizes
from .plan import Planned, Refused, plan
from .queue import RunFailed, drain, estimate, pending, without_adapter
from .screen import complain, remark, table
from .spec import Options, Run
from .tools import TOOLS
from .tracking import insist
from .tune import tune

Asked = TypeVar("Asked", Run, Wanted)
USER_ERRORS = (ValueError, OSError, HydraException, OmegaConfBaseException)


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 if a run failed, 2 if it was refused, 130 on Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        if argv and argv[0] in TOOLS:
            return TOOLS[argv[0]](argv[1:])
        if argv and argv[0] == "tune":
            return benchmark(argv[1:], compose_study, tune)
        return benchmark(argv, compose_run, work)
    except KeyboardInterrupt:
        complain("stopped; finished runs are kept, the same command goes on from here")
        return 130
    except RunFailed as error:
        complain(str(error))
        return 1
    except USER_ERRORS as error:
        complain(_one_message(error))
        return 2


def benchmark(
    argv: list[str],
    compose: Callable[[DictConfig, tuple[Path, ...]], Asked],
    work: Callable[[list[Asked], Options], int],
) -> int:
    """Compose all runs, or studies, through Hydra, check them together, then execute them.

    With a launcher other than Hydra's own (joblib, submitit, ...) each job checks and executes its run where it lands.
    """
    line: CommandLine = CommandLine(argv)
    sizes = suite_sizes(line.folders)
    asked: list[Asked] = []
    options: list[Options] = []
    problems: list[str] = []

    def collect(config: DictConfig) -> None:
        if _launched_elsewhere():  # perhaps in another process: what happens must be raised to be heard of
            if work([compose(config, line.folders)], compose_options(config, sizes)):
                raise RunFailed("a run failed, see above; the others went on, and the same command skips what is done")
            return
        try:
            asked.append(compose(config, line.folders))
            options.append(compose_options(config, sizes))
        except Exception as error:  # all of this is reading what was asked; raised, hydra would print the first alone
            known = isinstance(error, USER_ERRORS)
            problems.append(_one_message(error) if known else f"cannot read the settings ({error!r})")

    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach us as exceptions instead of hydra's own report and exit
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic products, asked for before CUDA starts
    sys.argv = [sys.argv[0], *line.argv]
    hydra.main(version_base="1.3", config_path="pkg://visionpeft.conf", config_name="config")(collect)()
    if problems:
        raise Refused("\n".join(dict.fromkeys(problems)))
    if any(other != options[0] for other in options):
        raise ValueError("one command runs with one data, source, runs, cache, device, ...; sweep over them in a shell")
    return work(asked, options[0]) if asked else 0


def _launched_elsewhere() -> bool:
    config = HydraConfig.get()
    own = "hydra._internal.core_plugins"
    return config.mode == RunMode.MULTIRUN and not (
        config.launcher._target_.startswith(own) and config.sweeper._target_.startswith(own)
    )


def work(runs: list[Run], options: Options) -> int:
    """Plan and execute runs; return the exit code."""
    planned = plan(runs, options)
    left = pending(planned, options)
    notices(planned)
    if options.dry:
        return preview(planned, left, options)
    insist(options)
    done = len(planned) - len(left)
    if done:
        remark(f"{done} of {len(planned)} runs are done already (or failed before: retry=true), {len(left)} to go")
    if bare := without_adapter(planned, options):
        remark(
            f"note: {len(bare)} of these ran without save=true and left no adapter, such as {bare[0]}; move a record "
            "away to have its run made again"
        )
    failures = drain(planned, options)
    if failures:
        lines = [f"  {stem}: {why}" for stem, why in failures.items()]
        retry = shlex.join(["python", "-m", "visionpeft.benchmark", "retry=true", *sys.argv[1:]])
        complain("\n".join([f"{len(failures)} of {len(left)} runs failed:", *lines, f"to try them again: {retry}"]))
    return 1 if failures else 0


def notices(planned: list[Planned]) -> None:
    """Say where the images come from and, once per task, what its numbers lack.

    That is images, test sets, or a backbone that has not learnt from its like.
    """
    remark(f"data: {'; '.join(_origins(planned))}")
    for text in dict.fromkeys(text for one in planned for text in _lacking(one)):
        remark(f"note: {text}; the tables mark it")


def _origins(planned: list[Planned]) -> Iterator[str]:
    """Yield which tasks are read from which source, with what tables call the images."""
    tasks: dict[str, dict[str, None]] = {}
    for one in planned:
        source, flavour = one.resolved["data"]["source"], one.resolved["data"]["flavour"]
        called = f"{source} ({flavour})" if flavour != source else source
        tasks.setdefault(called, {})[one.run.task.name] = None
    yield from (f"{', '.join(names)} from {called}" for called, names in tasks.items())


def _lacking(one: Planned) -> Iterator[str]:
    key, run = f"{one.run.task.suite} {one.run.task.name}", one.resolved
    splits = {name: split for name, split in run["data"]["splits"].items() if "classes" not in split}
    sizes = {name: (split["size"], split["expected"]) for name, split in splits.items()}
    if cut := [f"{name} has {n} images instead of {due}" for name, (n, due) in sizes.items() if due not in (None, n)]:
        yield f"{key}: {', '.join(cut)}"
    for why in dict.fromkeys(one.absent.values()):
        names = [name for name, reason in one.absent.items() if reason == why]
        yield f"{key}: no {' and '.join(names)} ({why})"
    if seen := run["task"].get("seen"):
        backbone = one.run.backbone.name
        yield f"{key}: {backbone} was trained on {', '.join(seen)}, so that this is not domain generalisation"


def preview(planned: list[Planned], left: list[Planned], options: Options) -> int:
    """Print what a command would do."""
    todo = {p.stem for p in left}
    table(["run", "state"], [[p.stem, "to do" if p.stem in todo else "done"] for p in planned])
    seconds, unknown = estimate(left, options.runs)
    guess = f"about {seconds / 60:.0f} min" if len(left) > unknown else "no estimate"
    more = f", without {unknown} of a kind that has not run here yet" if unknown else ""
    remark(f"{len(left)} to do, {len(planned) - len(left)} done; {guess}{more}")
    return 0


def _one_message(error: BaseException) -> str:
    """Return hydra's and our own errors as text a person can act on."""
    if isinstance(error, Refused):
        return str(error)
    causes = [str(e) for e in (error, error.__cause__, error.__context__) if e is not None and str(e)]
    text = causes[0] if causes else type(error).__name__
    if isinstance(error, HydraException) and len(causes) > 1 and causes[1] not in text:
        text += f" ({causes[1].splitlines()[0]})"
    if "Could not find 'hydra/launcher/joblib'" in text:
        text = "hydra/launcher=joblib needs pip install 'visionpeft[joblib]'; or give the command twice, as it is: "
        text += "processes of one command share its runs"
    return "\n".join(line for line in text.splitlines() if "HYDRA_FULL_ERROR" not in line)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
