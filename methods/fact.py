"""FacT (Jie and Deng, AAAI 2023, arXiv 2212.03145): all weight changes of a ViT as one factorised tensor.

The D x D matrices of the blocks (q, k, v, proj, the M / D parts of fc1 and those of fc2: 12 per block, 144 on
ViT-B/16) share U (r, D) and V (D, r); each has a core Sigma (r, r): Delta W = s V Sigma U, with dropout before V. fc1
is cut along its outputs, fc2 along its inputs.

Tensor train: each core is a parameter. Count 2 D r + 144 r^2 on ViT-B/16, at r = 16 61,440. Init: U and cores as a
linear layer's (uniform +-1 / sqrt(inputs)), V 0.
Tucker: all cores come from C (r, r, r) and P (r, 144), S_m = sum_k C[:, :, k] P[k, m], used as right factors
(Sigma_m = S_m^T). Count 2 D r + 144 r + r^3, at r = 32 86,528. Init: C and P Xavier-uniform, U and V as above. The
cores of an MLP layer are flattened with the index of the part running fastest, as in the authors' code.
Compared with JieShibo/PETL-ViT @ 026e4f1.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base import Method, fraction, positive
from .surgery import adopt, freeze, plain_linear, swap, transformer_blocks

ORDERS = {"qkv": (2, 1, 0), "proj": (2, 1, 0), "fc1": (1, 2, 0), "fc2": (0, 1, 2)}
"""The adapted layers of a block, in the order of P's columns, and how each lays out its Tucker cores (see `Tucker`)."""


@dataclass(frozen=True)
class FacTTT(Method):
    """Tensor-train form.

    Attributes:
        rank: r.
        scale: s.
        dropout: before V while training.
    """

    rank: int = 16
    scale: float = 10.0
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(rank=self.rank, scale=self.scale)
        fraction(dropout=self.dropout)

    def inject(self, model: nn.Module) -> None:  # noqa: D102
        share(model, TensorTrain, self)


@dataclass(frozen=True)
class FacTTK(Method):
    """Tucker form.

    Attributes:
        rank: r.
        scale: s.
        dropout: before V while training.
    """

    rank: int = 32
    scale: float = 10.0
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(rank=self.rank, scale=self.scale)
        fraction(dropout=self.dropout)

    def inject(self, model: nn.Module) -> None:  # noqa: D102
        share(model, Tucker, self)


class Place(NamedTuple):
    """A layer of outs x ins matrices whose first is number `first` of the whole tensor; see `Tucker` for `order`."""

    first: int
    outs: int
    ins: int
    order: tuple[int, int, int]


def share(model: nn.Module, form: type[TensorTrain] | type[Tucker], method: FacTTT | FacTTK) -> None:
    """Give `model` shared factors, as its child `fact`, and the linear layers of its blocks changes made of them."""
    blocks = transformer_blocks(model, "fact")
    like = blocks[0].norm1.weight
    if method.rank > len(like):
        raise ValueError(f"rank {method.rank} is above the model's width {len(like)}")
    cores = form(like, method.rank, places(blocks, len(like)))
    factors = Factors(like, method.rank, cores)
    freeze(model)
    numbers = itertools.count()
    swap(blocks, ORDERS, lambda base: FacTLinear(base, factors, next(numbers), method))
    model.fact = factors.train(model.training)


def places(blocks: nn.Sequential, width: int) -> list[Place]:
    """Return the places of the layers to adapt, in the order of the model."""
    found: list[Place] = []
    for name, layer in blocks.named_modules():
        if (leaf := name.rpartition(".")[2]) not in ORDERS or not isinstance(layer, nn.Linear):
            continue
        outs, ins = layer.out_features / width, layer.in_features / width
        if outs % 1 or ins % 1 or 1 not in (outs, ins):
            raise ValueError(
                f"fact cuts layers into {width} x {width} matrices, in a row or a column, and blocks.{name} is "
                f"{layer.out_features} x {layer.in_features}"
            )
        first = found[-1].first + found[-1].outs * found[-1].ins if found else 0
        found.append(Place(first, int(outs), int(ins), ORDERS[leaf]))
    return found


class Factors(nn.Module):
    """What all layers share: U (rank, width), V (width, rank) and the form their cores come from."""

    def __init__(self, like: Tensor, rank: int, cores: TensorTrain | Tucker) -> None:
        super().__init__()
        self.U = nn.Parameter(like.new_empty(rank, len(like)))
        self.V = nn.Parameter(like.new_zeros(len(like), rank))
        self.cores = cores
        nn.init.kaiming_uniform_(self.U, a=math.sqrt(5))

    def fold(self) -> None:
        """Go away: the layers have folded what they read from here."""


class TensorTrain(nn.Module):
    """One core parameter per layer, (outs rank, ins rank)."""

    def __init__(self, like: Tensor, rank: int, places: list[Place]) -> None:
        super().__init__()
        shapes = [(place.outs * rank, place.ins * rank) for place in places]
        self.sigmas = nn.ParameterList(nn.Parameter(like.new_empty(shape)) for shape in shapes)
        for sigma in self.sigmas:
            nn.init.kaiming_uniform_(sigma, a=math.sqrt(5))

    def core(self, number: int) -> Tensor:
        """Return the core of this layer, (outs rank, ins rank)."""
        return self.sigmas[number]


class Tucker(nn.Module):
    """All cores from C (rank, rank, rank) and P (rank, matrices).

    The columns of P that belong to a layer give cores (a, b, g): a on U's side and b on V's (a right factor), g for the
    matrix. A place's `order` says how these are laid out before they become (outs rank, ins rank).
    """

    def __init__(self, like: Tensor, rank: int, places: list[Place]) -> None:
        super().__init__()
        self.rank, self.places = rank, places
        self.C = nn.Parameter(like.new_empty(rank, rank, rank))
        self.P = nn.Parameter(like.new_empty(rank, sum(place.outs * place.ins for place in places)))
        nn.init.xavier_uniform_(self.C)
        nn.init.xavier_uniform_(self.P)

    def core(self, number: int) -> Tensor:
        """Return the core of this layer, (outs rank, ins rank)."""
        first, outs, ins, order = self.places[number]
        cores = self.C @ self.P[:, first : first + outs * ins]
        return cores.permute(order).reshape(outs * self.rank, ins * self.rank)


class FacTLinear(nn.Linear):
    """A linear layer plus scale * V core U on each of its width x width matrices.

    The factors are reached through a plain attribute, so that their parameters belong to `model.fact` alone.
    """

    factors: Factors

    def __init__(self, base: nn.Linear, factors: Factors, number: int, method: FacTTT | FacTTK) -> None:
        adopt(self, base)
        self.__dict__["factors"] = factors
        self.number, self.rank, self.scale = number, method.rank, method.scale
        self.drop = nn.Dropout(method.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        U, V, core = self.factors.U, self.factors.V, self.factors.cores.core(self.number)
        low = F.linear(x.unflatten(-1, (-1, len(V))), U).flatten(-2)
        low = self.drop(F.linear(low, core).unflatten(-1, (-1, self.rank)))
        return torch.add(super().forward(x), F.linear(low, V).flatten(-2), alpha=self.scale)

    def fold(self) -> nn.Linear:
        """Return the plain layer with the change added to each matrix."""
        U, V, core = self.factors.U, self.factors.V, self.factors.cores.core(self.number)
        core = core.unflatten(1, (-1, self.rank)).unflatten(0, (-1, self.rank))
        change = torch.einsum("dr,oris,se->odie", V, core, U).reshape(self.weight.shape)
        return plain_linear(self.weight + self.scale * change, self.bias)
