"""GLoRA (Chavan et al., 2023, arXiv 2306.07967): W' = W + W * A + B, b' = b + b * D + E + W C, searched per layer.

* is the elementwise product, as in the authors' code (the paper writes a matrix product). Per layer and support:
    A, B  low rank A_down A_up, (out, r) (r, in) | vector, one value per output | scalar | none
    C     low rank C_down C_up, (in, r) (r, 1)   | vector (in,)                 | none
    D, E  vector (out,) | scalar | none
A layer without bias has E and W C alone. Storage is entangled: a vector is column 0 of the low-rank down factor, a
scalar its first element, so that the 432 forms of a layer share tensors. Init: down factors, D and E 0, up factors
Xavier-uniform; the start is the identity. A configuration is a string, see `evolution`.

Training has three phases: a supernet on the training split, each layer drawing one of the 432 anew each step; evolution
on the validation split, with the supernet's weights; the winner from fresh initialisation by the ordinary recipe. With
a `config` given, only the last. Afterwards all of it folds into the plain layers.
Count of the supernet on ViT-B/16: 884,832, 1,603,776, 3,041,664 for rank 2, 4, 8.
Compared with Arnav0400/ViT-Slim @ 0fed674.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from .base import Job, Method, Score, fraction, positive
from .evolution import FULL, SUPPORTS, Candidate, Words, evolve, parse, spread
from .glora_linear import GLoRALinear
from .surgery import freeze, swap


@dataclass(frozen=True)
class GLoRA(Method):
    """Generalised low-rank adaptation.

    Attributes:
        rank: r, of all low-rank supports.
        config: one word for all layers, or one per layer joined by "-"; None searches.
        targets: the linear layers to adapt.
        budget: limit on the live parameters of a searched subnet, without the head; None for no limit.
        supernet_epochs: of the first phase.
        population: candidates per generation, the first of which is random.
        parents: best candidates so far from which the next generation is bred.
        mutants: candidates per generation made by drawing letters anew, each with probability `mutation`.
        mutation: see mutants.
        crossovers: candidates per generation made by mixing two parents; the rest is random.
        generations: bred after the random one.
    """

    rank: int = 8
    config: str | None = None
    targets: tuple[str, ...] = ("qkv", "proj", "fc1", "fc2")
    budget: int | None = None
    supernet_epochs: int = 100
    population: int = 50
    parents: int = 10
    mutants: int = 25
    mutation: float = 0.2
    crossovers: int = 25
    generations: int = 20

    def __post_init__(self) -> None:
        positive(rank=self.rank, supernet_epochs=self.supernet_epochs)
        positive(population=self.population, parents=self.parents, generations=self.generations)
        fraction(mutation=self.mutation)
        if self.budget is not None:
            positive(budget=self.budget)
        if self.config is not None:
            parse(self.config)
        if not self.targets:
            raise ValueError("targets is empty; name at least one linear layer")
        if self.mutants < 0 or self.crossovers < 0 or self.mutants + self.crossovers > self.population:
            raise ValueError(
                f"mutants ({self.mutants}) and crossovers ({self.crossovers}) must be at least 0 and together at most "
                f"the population ({self.population})"
            )

    def inject(self, model: nn.Module) -> None:  # noqa: D102
        freeze(model)
        found = [name for name, m in model.named_modules() if isinstance(m, nn.Linear)]
        adapted = [name for name in found if name.rpartition(".")[2] in self.targets]
        words = iter(spread(self.config or FULL, len(adapted)))
        swap(model, self.targets, lambda base: GLoRALinear(base, self.rank, next(words)))

    def loss(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """As usual; a supernet takes it from subnets drawn for this batch."""
        if self.config is None:
            choose(model, draw(len(adapted_layers(model))))
        return super().loss(model, x, y)

    def train(self, job: Job) -> tuple[Method, nn.Module]:
        """Train a supernet, search it, and train the winner; with a config, train that."""
        if self.config is not None:
            return super().train(job)
        return replace(self, config=self.search(job)).train(job)

    def search(self, job: Job) -> str:
        """Return the best configuration by validation in a supernet; the record gets all that were tried."""
        supernet = job.fit(job.build(self), self, split="train", epochs=self.supernet_epochs)

        def score(words: Words) -> Score:
            choose(supernet, words)
            return job.validate(supernet)

        tried = evolve(self, [layer.live for layer in adapted_layers(supernet)], score, job.seed)
        best = min(tried, key=lambda candidate: candidate.rank)
        job.note("search", history(tried, best))
        return "-".join(best.words)


def history(tried: list[Candidate], best: Candidate) -> dict[str, object]:
    """Return the record of a search, one list per quantity."""
    return {
        "winner": tried.index(best),
        "config": ["-".join(candidate.words) for candidate in tried],
        "generation": [candidate.generation for candidate in tried],
        "params": [candidate.params for candidate in tried],
        "accuracy": [candidate.score.accuracy for candidate in tried],
        "loss": [loss if math.isfinite(loss := candidate.score.loss) else None for candidate in tried],
    }


def adapted_layers(model: nn.Module) -> list[GLoRALinear]:
    """Return the adapted layers in the order of the words."""
    return [module for module in model.modules() if isinstance(module, GLoRALinear)]


def configure(model: nn.Module, config: str) -> None:
    """Let the layers of `model` be what `config` says.

    Raises:
        ValueError: not a configuration of this model, or one that needs tensors the model was not given.
    """
    choose(model, spread(config, len(adapted_layers(model))))


def choose(model: nn.Module, words: Words) -> None:
    """Give each adapted layer its word."""
    for layer, word in zip(adapted_layers(model), words, strict=True):
        layer.choose(word)


def draw(layers: int) -> Words:
    """Return random words for this many layers, each of the 432 equally likely, from torch's global generator."""
    letters = [[allowed[i] for i in torch.randint(len(allowed), (layers,)).tolist()] for allowed in SUPPORTS.values()]
    return tuple("".join(word) for word in zip(*letters, strict=True))
