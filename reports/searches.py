"""What searches over a model's layers chose: from their records to numbers.

A method that searches notes it as `search`: `layers` {name: {support: {choice: parameters}}}, the layers in order and
what may be chosen in each; `config`, all configurations that were tried, a word per layer joined by "-", which has one
choice per support; `generation` of each, 0 for those drawn at random under the search's limits; `winner`, the index of
the best; `images`, how many each was scored on; and `seconds`, how long it took. A choice is a letter (L low rank, V
vector, S scalar, N none) and perhaps a rank.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from visionpeft.benchmark.record import Record, read, record_files
from visionpeft.benchmark.record import setting as shared

from .stats import half_width

Layers = dict[str, dict[str, dict[str, int]]]
Words = tuple[tuple[str, ...], ...]
Rows = list[dict[str, Any]]
SAME_WINNER = ("race",)
"""Fields of a method that change neither what a search draws nor what it finds."""
DRAWS = 2000
"""Samples of the null distribution of an entropy."""


class SearchError(ValueError):
    """Searches that cannot be shown together; the message says why and what to do."""


@dataclass(frozen=True)
class Search:
    """The search of one run: its winner, and the candidates of its first, random generation."""

    setting: str
    fields: dict[str, Any]
    task: str
    group: str
    seed: int
    layers: Layers
    winner: Words
    drawn: tuple[Words, ...]


def load(root: Path, method: str) -> tuple[list[Search], list[str]]:
    """Return the searches of a method's records, and one line for each record that cannot be read."""
    found, skipped = [], []
    for path in record_files(root):
        name = path.relative_to(root).as_posix()
        try:
            record = read(path)
            if record.run["method"]["name"] == method and record.status == "ok" and "search" in record.notes:
                found.append(of(record))
        except KeyError as error:
            skipped.append(f"{name}: its search lacks {error}; repeat that run to have it counted")
        except (ValueError, TypeError, IndexError, AttributeError) as error:
            skipped.append(f"{name}: {str(error).replace(f'{root}/', '').removeprefix(f'{name}: ')}")
    return named(found), skipped


def of(record: Record) -> Search:
    """Return the search of a record that has one.

    Raises:
        KeyError: a field is not there.
        ValueError: a configuration that does not fit the layers.
    """
    noted, task, backbone = record.notes["search"], record.run["task"], record.run["backbone"]
    layers, configs = noted["layers"], noted["config"]
    fields = {name: value for name, value in record.run["method"]["fields"].items() if name not in SAME_WINNER}
    first = [config for config, generation in zip(configs, noted["generation"], strict=True) if generation == 0]
    return Search(
        f"{record.label} on {backbone['name']} at {backbone['img_size']} px",
        shared(record.run) | fields | {"epochs": record.run["recipe"]["epochs"]},
        task["name"],
        task["group"],
        record.run["seed"],
        layers,
        parse(configs[noted["winner"]], layers),
        tuple(parse(config, layers) for config in first),
    )


def named(found: Sequence[Search]) -> list[Search]:
    """Return the searches with what differs between them, beyond their label, in the name of their setting."""
    names = dict.fromkeys(name for one in found for name in one.fields)
    differ = [name for name in names if len({repr(one.fields.get(name)) for one in found}) > 1]
    return [
        replace(one, setting=", ".join([one.setting, *(f"{name}={one.fields.get(name)}" for name in differ)]))
        for one in found
    ]


def parse(config: str, layers: Layers) -> Words:
    """Return the choices of a configuration, for each layer one per support.

    Raises:
        ValueError: other than the layers have.
    """
    words = tuple(map(split, config.split("-")))
    if len(words) != len(layers):
        raise ValueError(f"a configuration has {len(words)} words and the search {len(layers)} layers")
    for word, (layer, supports) in zip(words, layers.items(), strict=True):
        if len(word) != len(supports) or any(c not in of for c, of in zip(word, supports.values(), strict=True)):
            raise ValueError(f"the word {''.join(word)} is none of {layer}'s")
    return words


@cache
def split(word: str) -> tuple[str, ...]:
    """Return the choices of a word."""
    return tuple(re.findall(r"[A-Z][0-9]*", word))


def alike(found: Sequence[Search], setting: str | None = None) -> list[Search]:
    """Return the searches of one setting, over one set of layers; `setting` is part of its name.

    Raises:
        SearchError: there are none, or several settings.
    """
    chosen = [one for one in found if setting is None or setting in one.setting]
    if not chosen:
        of_it = f" whose setting has {setting!r} in it" if setting else ""
        raise SearchError(f"no record of a search{of_it}" + _listed(found))
    exact = [one for one in chosen if one.setting == setting] or chosen
    if len({(one.setting, str(one.layers)) for one in exact}) > 1:
        raise SearchError(
            "the searches differ in setting; choose one by a part of its name, with SETTING= (--setting)"
            + _listed(exact)
        )
    return exact


def _listed(found: Iterable[Search]) -> str:
    settings = [one.setting for one in found]
    return "".join(f"\n  {settings.count(name)} x {name}" for name in dict.fromkeys(settings))


def kinds(layers: Layers) -> dict[str, list[int]]:
    """Return the places of the layers of each kind, by the last part of their names, such as qkv or fc1."""
    places: dict[str, list[int]] = {}
    for i, name in enumerate(layers):
        places.setdefault(name.rpartition(".")[2], []).append(i)
    return places


def choices(found: Sequence[Search]) -> Rows:
    """Return how often winners and random candidates have each choice, by kind of layer and support.

    A support without parameters, D where there is no bias, chooses nothing and has no rows. Half the 95 % interval is
    that of the winners' mean over runs.
    """
    rows: Rows = []
    layers = found[0].layers
    for kind, places in kinds(layers).items():
        for s, (support, allowed) in enumerate(layers[list(layers)[places[0]]].items()):
            for choice in allowed if any(allowed.values()) else ():
                shares = np.array([_share([one.winner], places, s, choice) for one in found])
                drawn = float(np.mean([_share(one.drawn, places, s, choice) for one in found]))
                rows.append(
                    {"layer": kind, "support": support, "choice": choice, "winners": float(shares.mean())}
                    | {"half_width": half_width(shares), "drawn": drawn, "uniform": 1 / len(allowed)}
                    | {"runs": len(found), "layers": len(places) * len(found)}
                )
    return rows


def _share(configs: Sequence[Words], places: Sequence[int], support: int, choice: str) -> float:
    return float(np.mean([config[place][support] == choice for config in configs for place in places]))


def entropies(found: Sequence[Search]) -> Rows:
    """Return the entropy of the winners' choices, 1 for equally frequent ones, beside that of as many uniform draws.

    Those have less than 1 as well, for there are few; the null is their mean and the middle 95 % of them.
    """
    rows: Rows = []
    shares: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in choices(found):
        shares.setdefault((row["layer"], row["support"]), []).append(row)
    for (kind, support), of_it in shares.items():
        number = of_it[0]["layers"]
        draws = np.random.RandomState(0).multinomial(number, [1 / len(of_it)] * len(of_it), size=DRAWS) / number
        null = entropy(draws)
        low, high = np.quantile(null, [0.025, 0.975])
        rows.append(
            {"layer": kind, "support": support, "winners": float(entropy(np.array([r["winners"] for r in of_it])))}
            | {"drawn": float(entropy(np.array([r["drawn"] for r in of_it])))}
            | {"null": float(null.mean()), "null_low": float(low), "null_high": float(high), "layers": number}
        )
    return rows


def entropy(shares: np.ndarray) -> np.ndarray:
    """Return the entropy of shares along the last axis, as a part of the largest possible."""
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return -(shares * logs).sum(-1) / np.log(shares.shape[-1])


def sizes(found: Sequence[Search]) -> Rows:
    """Return the mean live parameters of a layer, by kind of layer and group of tasks; a task counts once.

    `drawn` is the same for random candidates, `largest` what the layer could have.
    """
    return [
        {"layer": kind, "group": group} | _sizes([one for one in found if one.group == group], places)
        for kind, places in kinds(found[0].layers).items()
        for group in sorted({one.group for one in found})
    ]


def places(found: Sequence[Search]) -> Rows:
    """Return the live parameters of each layer, by kind, place among its kind, and group of tasks."""
    return [
        {"layer": kind, "place": i + 1, "group": group} | _sizes([one for one in found if one.group == group], [place])
        for kind, of_kind in kinds(found[0].layers).items()
        for i, place in enumerate(of_kind)
        for group in sorted({one.group for one in found})
    ]


def _sizes(found: Sequence[Search], places: Sequence[int]) -> dict[str, Any]:
    by_task: dict[str, list[tuple[float, float]]] = {}
    for one in found:
        each = _size(one, [one.winner], places), _size(one, one.drawn, places)
        by_task.setdefault(one.task, []).append(each)
    of_layer = [list(found[0].layers.values())[place] for place in places]
    largest = float(np.mean([sum(max(choice.values()) for choice in layer.values()) for layer in of_layer]))
    params, drawn = (float(mean) for mean in np.mean([np.mean(each, axis=0) for each in by_task.values()], axis=0))
    counts = {"tasks": len(by_task), "runs": len(found)}
    return {"params": params, "drawn": drawn, "largest": largest, "share": params / largest} | counts


def _size(one: Search, configs: Sequence[Words], places: Sequence[int]) -> float:
    layers = list(one.layers.values())
    return float(
        np.mean(
            [
                sum(of[choice] for choice, of in zip(config[place], layers[place].values(), strict=True))
                for config in configs
                for place in places
            ]
        )
    )
