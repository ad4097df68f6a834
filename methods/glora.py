"""GLoRA (Chavan et al., 2023, arXiv 2306.07967): W' = W + W * A + B, b' = b + b * D + E + W C, searched per layer.

* is the elementwise product, as in the authors' code; `factor=matrix` is the matrix product that the paper writes.
Per layer and support, with a rank r that may have smaller ones beside it:
    A, B  low rank A_down A_up, (out, r) (r, in) | vector, one value per output | scalar | none
    C     low rank C_down C_up, (in, r) (r, 1)   | vector (in,)                 | none
    D, E  vector (out,) | scalar | none
As a matrix factor A is (in, in): low rank (in, r) (r, in), a diagonal, or one value on it. A layer without bias has E
and W C alone. Storage is entangled as in the authors' code: a vector is column 0 of the low-rank down factor, a scalar
its first element, so that the 432 forms of a layer share tensors; `entangled=false` gives them their own. Init: down
factors, D and E 0, up factors Xavier-uniform; the start is the identity. `glora_space` says how a configuration reads.

Training has three phases: a supernet on the training split, of which each step trains subnets drawn anew; evolution on
the validation split, with the supernet's weights; the winner from fresh initialisation by the ordinary recipe, or, with
`inherit`, with the supernet's weights as in the authors' code. With a `config` given, only the last. Afterwards all of
it folds into the plain layers. An interrupted run goes on with the finished supernet and the last generation.

It contains, exactly, LoRA on the same layers (NLNNN), BitFit of their biases (NNNNV), SSF behind them (VNNVV) and a
shift of their inputs (NNVNN). It does not contain VPT, whose tokens other tokens attend to, nor, unless
`factor=matrix`, RepAdapter's W (x + up down x). The paper's C is a prompt; in this formula it is a constant shift.
Count of the supernet on ViT-B/16: 884,832, 1,603,776, 3,041,664 for rank 2, 4, 8.
Compared with Arnav0400/ViT-Slim @ 0fed674.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from .base import Job, Method, positive
from .evolution import Candidate, State, evolve
from .glora_linear import GLoRALinear
from .glora_space import EVERY, LARGEST, SMALLEST, SUPPORTS, Space, Words, choices, draw_word, parse, spread
from .glora_subnets import MergedSubnets, adapted_layers, choose, inherit
from .race import Outcomes
from .surgery import freeze, heads, swap


@dataclass(frozen=True)
class GLoRA(Method):
    """Generalised low-rank adaptation.

    Attributes:
        rank: r, of all low-rank supports; layers with fewer inputs or outputs have as many as they can.
        smaller_ranks: further choices, cut from the same tensors.
        config: one word for all layers, or one per layer joined by "-"; None searches.
        factor: "hadamard", W * A (the authors' code), or "matrix", W A with A of (in, in) (the paper).
        entangled: whether the choices of a support share one tensor.
        targets: names of the linear layers to adapt; None for all but the classification head.
        sampling: what a step of the supernet trains: "layer", a word for each layer; "step", one for all layers;
            "sandwich", the mean of the largest subnet, the smallest, and a word for each layer.
        budget: limit on the live parameters of a searched subnet, without the head: a number, or up to 1 a fraction of
            the largest subnet; None for no limit.
        supernet_epochs: of the first phase.
        population: candidates per generation, the first of which is random.
        parents: best candidates so far from which the next generation is bred.
        mutants: candidates per generation made by drawing letters anew, each with probability `mutation`.
        mutation: see mutants.
        crossovers: candidates per generation made by mixing two parents; the rest is random.
        generations: bred after the random one; with 0 the search is random.
        race: leave a candidate that cannot become a parent any more, whatever the images that it has not seen would
            say: the same winner for fewer forward passes. Without it the record has every candidate's accuracy.
        inherit: keep the supernet's weights for the winner instead of training it anew; the record of a run without
            it has the score of such a winner as "inherited" besides.
    """

    version: ClassVar[int] = 6
    rank: int = field(default=8, metadata={"instead": "give the largest as rank and the others as smaller_ranks"})
    smaller_ranks: tuple[int, ...] = ()
    config: str | None = None
    factor: Literal["hadamard", "matrix"] = "hadamard"
    entangled: bool = True
    targets: tuple[str, ...] | None = None
    sampling: Literal["layer", "step", "sandwich"] = "layer"
    budget: float | None = 0.33
    supernet_epochs: int = 100
    population: int = 50
    parents: int = 10
    mutants: int = 25
    mutation: float = 0.2
    crossovers: int = 25
    generations: int = 20
    race: bool = True
    inherit: bool = False

    def __post_init__(self) -> None:
        positive(rank=self.rank, supernet_epochs=self.supernet_epochs, population=self.population, parents=self.parents)
        if self.budget is not None:
            positive(budget=self.budget)
        if not 0 <= self.mutation <= 1:
            raise ValueError(f"mutation must lie in [0, 1], got {self.mutation!r}")
        if self.config is not None:
            parse(self.config)
            if self.inherit:
                raise ValueError("inherit keeps a supernet's weights, and with a config there is none; leave one out")
        if self.targets == ():
            raise ValueError("targets is empty; name at least one linear layer, or give null for all of them")
        ranks = self.smaller_ranks
        if not all(0 < rank < self.rank for rank in ranks) or len(set(ranks)) < len(ranks):
            raise ValueError(f"smaller_ranks must lie between 0 and the rank {self.rank}, each once, got {ranks}")
        if self.generations < 0:
            raise ValueError(f"generations must not be negative, got {self.generations}; 0 searches at random")
        if min(self.mutants, self.crossovers) < 0 or self.mutants + self.crossovers > self.population:
            raise ValueError(
                f"mutants ({self.mutants}) and crossovers ({self.crossovers}) must be at least 0 and together at most "
                f"the population ({self.population})"
            )

    def inject(self, model: nn.Module) -> None:  # noqa: D102
        freeze(model)
        head = heads(model)
        linears = {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear) and m not in head}
        if not linears:
            raise ValueError(f"{type(model).__name__} has no linear layer but its head")
        targets = {name.rpartition(".")[2] for name in linears} if self.targets is None else set(self.targets)
        sizes = [min(m.weight.shape) for name, m in linears.items() if name.rpartition(".")[2] in targets]
        if self.rank > max(sizes, default=self.rank):
            raise ValueError(f"rank {self.rank} is above min(in, out) of every layer to adapt, at most {max(sizes)}")
        words = [EVERY] * len(sizes) if self.config is None else [(word,) for word in spread(self.config, len(sizes))]
        left = iter(words)

        def wrap(base: nn.Linear) -> nn.Linear:
            return GLoRALinear(base, self.rank, *next(left), factor=self.factor, entangled=self.entangled)

        swap(model, targets, wrap)
        if self.config is None:
            self.limit(adapted_layers(model))  # refuses a budget that leaves nothing to search

    def limit(self, layers: Sequence[GLoRALinear]) -> float | None:
        """Return the budget in live parameters; None for no limit.

        Raises:
            ValueError: it is less than a parameter for each layer.
        """
        if self.budget is None:
            return None
        largest = sum(layer.live(LARGEST) for layer in layers)
        limit = self.budget * largest if self.budget <= 1 else self.budget
        if limit < len(layers):
            raise ValueError(
                f"budget {self.budget:g} leaves {limit:.3g} of {largest:,} parameters for {len(layers)} layers; give a "
                "number of parameters, or a fraction up to 1, that has at least one for each"
            )
        return limit

    def space(self, layers: Sequence[GLoRALinear], limit: float | None = None) -> Space:
        """Return what the words of these layers are drawn from."""
        supports = [choices(self.smaller_ranks, bias=layer.bias is not None) for layer in layers]
        return Space(supports, [layer.live for layer in layers], limit)

    def loss(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """As usual; a supernet takes it from subnets drawn for this batch, from torch's generator."""
        if self.config is not None:
            return super().loss(model, x, y)
        layers = adapted_layers(model)
        seed = int(torch.randint(2**62, (), device="cpu"))
        losses = []
        for words in self.sample(self.space(layers), random.Random(seed)):
            choose(model, words)
            losses.append(super().loss(model, x, y))
        return torch.stack(losses).mean()

    def sample(self, space: Space, rng: random.Random) -> list[Words]:
        """Return the words of the subnets that a step of the supernet trains."""
        layers = len(space.sizes)
        if self.sampling == "step":
            return [(draw_word(choices(self.smaller_ranks), rng),) * layers]
        if self.sampling == "sandwich":
            return [(LARGEST,) * layers, (SMALLEST,) * layers, space.draw(rng)]
        return [space.draw(rng)]

    def lengths(self) -> dict[str, int]:  # noqa: D102
        return {} if self.config is not None else {"supernet_epochs": self.supernet_epochs}

    def train(self, job: Job) -> tuple[Method, nn.Module]:
        """Train a supernet, search it, and train the winner; with a config, train that."""
        if self.config is not None:
            return super().train(job)
        supernet = job.fit(job.build(self), self, split="train", epochs=self.supernet_epochs, keep="supernet")
        subnets = MergedSubnets(supernet)
        best = self.search(job, subnets)
        settled = replace(self, config="-".join(best.words), inherit=False)
        if not self.inherit:
            job.also("inherited", subnets.become(best.words))
            return settled.train(job)
        model = job.build(settled)
        inherit(model, supernet)
        return settled, model

    def search(self, job: Job, subnets: MergedSubnets) -> Candidate:
        """Return the best candidate by validation with the supernet's weights; the record gets all that were tried."""
        layers, file = [layer for layer, _ in subnets.layers], job.workspace / "search.json"
        space = self.space(layers, self.limit(layers))
        state = State.load(file, job.seed, sum(len(y) for _, y in job.batches("val")))
        job.spent(state.seconds)
        total = self.population * (self.generations + 1)

        def outcomes(words: Words) -> Outcomes:
            job.progress(found(state, space.limit), len(state.tried), total)
            return partial(job.outcomes, subnets.become(words))

        for _ in evolve(self, space, outcomes, state):
            state.save(file)
            left = state.seconds / state.generation * (self.generations + 1 - state.generation)
            where = f"generation {state.generation} of {self.generations + 1}, {left:.0f} s left"
            job.say(f"{found(state, space.limit)}: {where}")
        tried = list(state.tried.values())
        best = state.best(1)[0]
        job.note("search", history(tried, best) | {"layers": sizes(subnets, space), "seconds": state.seconds})
        return best


def found(state: State, limit: float | None) -> str:
    """Return in words how far a search has come: the best validation accuracy so far, its parameters, their limit."""
    best = [f", best {c.score.accuracy:.1%} with {c.params:,} parameters" for c in state.best(1)]
    return "".join(["search", *best, *([f", limit {limit:,.0f}"] if best and limit is not None else [])])


def history(tried: list[Candidate], best: Candidate) -> dict[str, object]:
    """Return the record of a search, one list per quantity; a configuration is its layers' words joined by "-".

    Of a candidate that was left after some `images`, accuracy and loss are the best that it could have had.
    """
    return {
        "winner": tried.index(best),
        "config": ["-".join(candidate.words) for candidate in tried],
        "generation": [candidate.generation for candidate in tried],
        "params": [candidate.params for candidate in tried],
        "images": [candidate.images for candidate in tried],
        "accuracy": [candidate.score.accuracy for candidate in tried],
        "loss": [loss if math.isfinite(loss := candidate.score.loss) else None for candidate in tried],
    }


def sizes(subnets: MergedSubnets, space: Space) -> dict[str, dict[str, dict[str, int]]]:
    """Return for each layer, by name and in the order of the words, the live parameters of each support's choices."""
    return {
        name: {
            support: {choice: layer.live_of(support, choice) for kind in kinds for choice in kind}
            for support, kinds in zip(SUPPORTS, supports, strict=True)
        }
        for name, (layer, _), supports in zip(subnets.names, subnets.layers, space.choices, strict=True)
    }
