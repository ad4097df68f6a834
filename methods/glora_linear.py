"""The layer of GLoRA: W' = W + W * A + B, b' = b + b * D + E + W C, in any of its forms (see `glora`)."""

from __future__ import annotations

import math
from functools import reduce
from typing import Literal

import torch
from torch import Tensor, nn

from .glora_autograd import fold, no_autocast, structured_linear
from .glora_space import SUPPORTS, split
from .surgery import adopt, plain_linear

Shapes = dict[str, tuple[int, ...]]
Factor = Literal["hadamard", "matrix"]


class GLoRALinear(nn.Linear):
    """A linear layer that is what its `word` says, with the tensors that the words it was made for need.

    Parameters, as far as they are needed: A_down (out, r), or (in, r) where A is a matrix factor, and A_up (r, in);
    B_down (out, r), B_up (r, in); C_down (in, r), C_up (r, 1); D (out,); E (out,). Entangled, a vector is the first
    column of `down` and a scalar the first element of the vector; else both have tensors of their own, such as
    A_vector and A_scalar. A smaller rank is the beginning of a larger one; none is above min(in, out). W is frozen.
    """

    def __init__(
        self, base: nn.Linear, rank: int, *words: str, factor: Factor = "hadamard", entangled: bool = True
    ) -> None:
        adopt(self, base)
        self.weight.requires_grad_(False)
        self.rank, self.factor, self.entangled, self.words = rank, factor, entangled, words
        sizes: Shapes = {}
        for word in words:
            for name, shape in self.shapes(word).items():
                sizes[name] = tuple(map(max, shape, sizes.get(name, shape)))
        for name, shape in sizes.items():
            setattr(self, name, nn.Parameter(base.weight.new_zeros(shape)))
            if name.endswith("_up"):  # the rest starts at zero, so that the start is the pretrained layer
                nn.init.xavier_uniform_(getattr(self, name))
        self.choose(words[0])

    def choose(self, word: str) -> None:
        """Become what `word` says.

        Raises:
            ValueError: that needs tensors which the words this layer was made for do not.
        """
        for name, shape in self.shapes(word).items():
            stored = getattr(self, name, None)
            if stored is None or any(need > have for need, have in zip(shape, stored.shape, strict=True)):
                raise ValueError(f"a layer made for {', '.join(self.words)} has no tensors for {word}")
        self.word = word
        self.used = {s: self.shapes_of(s, choice) for s, choice in zip(SUPPORTS, split(word), strict=True)}

    def shapes(self, word: str) -> Shapes:
        """Return the shapes of the tensors that a word needs, by name."""
        parts = (self.shapes_of(support, choice) for support, choice in zip(SUPPORTS, split(word), strict=True))
        return {name: shape for part in parts for name, shape in part.items()}

    def shapes_of(self, support: str, choice: str) -> Shapes:
        """Return the shapes of the tensors that a choice of one support needs, by name."""
        kind, rank = choice[0], int(choice[1:] or self.rank)
        if rank > self.rank:
            raise ValueError(f"config has {choice} and the rank is {self.rank}")
        rank = min(rank, self.in_features, self.out_features)
        if kind == "N" or (support == "D" and self.bias is None):
            return {}
        over_inputs = support == "C" or (support == "A" and self.factor == "matrix")
        rows = self.in_features if over_inputs else self.out_features
        if kind == "L":
            return {f"{support}_down": (rows, rank), f"{support}_up": (rank, 1 if support == "C" else self.in_features)}
        shape = (rows if kind == "V" else 1,)
        shared = support if support in "DE" else f"{support}_down"
        name = shared if self.entangled else f"{support}_{'vector' if kind == 'V' else 'scalar'}"
        return {name: shape if support in "DE" else (*shape, 1)}

    def live(self, word: str) -> int:
        """Return the number of parameters that a word needs in this layer."""
        return sum(self.live_of(*pair) for pair in zip(SUPPORTS, split(word), strict=True))

    def live_of(self, support: str, choice: str) -> int:
        """Return the number of parameters that a choice of one support needs; supports share none."""
        return sum(math.prod(shape) for shape in self.shapes_of(support, choice).values())

    def read(self, support: str) -> list[Tensor]:
        """Return what a support is made of: down and up of a low rank; a vector or scalar; nothing."""
        found = []
        for name, shape in self.used[support].items():
            part: Tensor = getattr(self, name)
            for dim, size in enumerate(shape):
                part = part if part.shape[dim] == size else part.narrow(dim, 0, size)
            found.append(part)
        return found

    def shift(self) -> Tensor | None:
        """Return b' = b + b * D + E + W C, (out,), or None if there is neither bias nor support."""
        shift: Tensor | None = self.bias
        for d in self.read("D"):
            shift = torch.addcmul(self.bias, self.bias, d)
        for e in self.read("E"):
            shift = e.expand(self.out_features) if shift is None else shift + e
        if c := self.read("C"):
            prompt = reduce(torch.matmul, c).squeeze(1)
            shift = self.weight @ prompt if shift is None else torch.addmv(shift, self.weight, prompt)
        return shift

    def gain(self) -> list[Tensor]:
        """Return A as far as it multiplies W element by element: the factors of what broadcasts to (out, in)."""
        a = self.read("A")
        if self.factor == "hadamard":
            return a
        return [a[0].T] if len(a) == 1 else []  # W diag(a)

    def pair(self) -> tuple[Tensor, Tensor]:
        """Return left (out, k) and right (k, in), whose product is B and what is low rank of W A."""
        pairs, a, b = [], self.read("A"), self.read("B")
        if self.factor == "matrix" and len(a) == 2:
            pairs.append((self.weight @ a[0], a[1]))
        if b:
            right = b[1] if len(b) == 2 else self.weight.new_ones(1, self.in_features)
            pairs.append((b[0].expand(self.out_features, -1), right))
        if not pairs:
            return self.weight.new_empty(self.out_features, 0), self.weight.new_empty(0, self.in_features)
        return pairs[0] if len(pairs) == 1 else (torch.cat([p[0] for p in pairs], 1), torch.cat([p[1] for p in pairs]))

    def effective(self) -> tuple[Tensor, Tensor | None]:
        """Return W' (out, in) and b' (out,), in the type of W."""
        with no_autocast(self.weight.device.type):
            return fold(self.weight, self.gain(), *self.pair()), self.shift()

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        with no_autocast(x.device.type):
            shift, gain, pair = self.shift(), self.gain(), self.pair()
            shift = self.weight.new_zeros(self.out_features) if shift is None else shift
        return structured_linear(x, self.weight, shift, gain, pair)

    def fold(self) -> nn.Linear:
        """Return the plain layer with W' and b'."""
        return plain_linear(*self.effective())
