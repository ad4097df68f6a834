"""The layer of GLoRA: W' = W + W * A + B, b' = b + b * D + E + W C, in any of its 432 forms (see `glora`)."""

from __future__ import annotations

import math
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .evolution import SUPPORTS
from .surgery import adopt, plain_linear

UP = ("A_up", "B_up", "C_up")
"""The tensors that do not start at zero."""


class GLoRALinear(nn.Linear):
    """A linear layer that is what its `word` says, with the tensors that the word it was made with needs."""

    B_down: Tensor
    B_up: Tensor
    D: Tensor
    E: Tensor

    def __init__(self, base: nn.Linear, rank: int, word: str) -> None:
        adopt(self, base)
        if rank > min(self.in_features, self.out_features):
            raise ValueError(f"rank {rank} is above min(in, out) = {min(self.in_features, self.out_features)}")
        self.rank, self.stored, self.word = rank, word, word
        for name, shape in self.shapes(word).items():
            setattr(self, name, nn.Parameter(base.weight.new_zeros(shape)))
            if name in UP:
                nn.init.xavier_uniform_(getattr(self, name))

    def shapes(self, word: str) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the tensors that a word needs, by name."""
        rows, columns, rank = self.out_features, self.in_features, self.rank
        down = {"L": (rows, rank), "V": (rows, 1), "S": (1, 1)}
        vector = {"V": (rows,), "S": (1,)}
        a, b, c, d, e = tuple(word)
        needed = {
            "A_down": down.get(a),
            "A_up": (rank, columns) if a == "L" else None,
            "B_down": down.get(b),
            "B_up": (rank, columns) if b == "L" else None,
            "C_down": {"L": (columns, rank), "V": (columns, 1)}.get(c),
            "C_up": (rank, 1) if c == "L" else None,
            "D": vector.get(d) if self.bias is not None else None,
            "E": vector.get(e),
        }
        return {name: shape for name, shape in needed.items() if shape is not None}

    def live(self, word: str) -> int:
        """Return the number of parameters that a word needs in this layer."""
        return sum(math.prod(shape) for shape in self.shapes(word).values())

    def choose(self, word: str) -> None:
        """Become what `word` says.

        Raises:
            ValueError: that needs tensors which the word this layer was made with does not.
        """
        for have, want, order in zip(self.stored, word, SUPPORTS.values(), strict=True):
            if order.index(want) < order.index(have):
                raise ValueError(f"a layer made for {self.stored} has no tensors for {word}")
        self.word = word

    def factor(self, support: str, letter: str) -> Tensor:
        """Return A or B, (out | 1, in | 1), or C, (in, 1), from the storage they share."""
        down = getattr(self, f"{support}_down")
        if letter == "L":
            return down @ getattr(self, f"{support}_up")
        return down[:, :1] if letter == "V" else down[:1, :1]

    def shift(self) -> Tensor | None:
        """Return b + b * D + E + W C, (out,), or None if there is neither bias nor support."""
        c, d, e = tuple(self.word[2:])
        parts = []
        if self.bias is not None:
            parts.append(self.bias if d == "N" else torch.addcmul(self.bias, self.bias, first(self.D, d)))
        if e != "N":
            parts.append(first(self.E, e).expand(self.out_features))
        if c != "N":
            parts.append((self.weight @ self.factor("C", c)).squeeze(1))
        return reduce(torch.add, parts) if parts else None

    def effective(self) -> tuple[Tensor, Tensor | None]:
        """Return W' (out, in) and b' (out,)."""
        a, b = tuple(self.word[:2])
        weight: Tensor = self.weight
        if a != "N":
            weight = torch.addcmul(weight, self.weight, self.factor("A", a))
        if b != "N":
            weight = weight + self.factor("B", b)
        return weight, self.shift()

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out). W' is formed only for a low-rank A, which has no cheaper form."""
        a, b = tuple(self.word[:2])
        if a == "L":
            return F.linear(x, *self.effective())
        y = F.linear(x, self.weight, self.shift() if a == "N" else None)
        if a != "N":
            y = y * (1 + self.factor("A", a).squeeze(1))
            y = y if (shift := self.shift()) is None else y + shift
        if b == "L":
            y = y + F.linear(F.linear(x, self.B_up), self.B_down)
        elif b != "N":
            y = y + x.sum(-1, keepdim=True) * self.factor("B", b).squeeze(1)
        return y

    def fold(self) -> nn.Linear:
        """Return the plain layer with W' and b'."""
        return plain_linear(*self.effective())


def first(vector: Tensor, letter: str) -> Tensor:
    """Return D or E: the vector, or its first element as the scalar."""
    return vector if letter == "V" else vector[:1]
