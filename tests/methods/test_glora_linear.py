"""The layer of GLoRA against its formula, in all 432 forms and more."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from visionpeft.methods.glora_linear import GLoRALinear
from visionpeft.methods.glora_space import EVERY, LARGEST, SUPPORTS, split

WORDS = ["".join(word) for word in itertools.product(*SUPPORTS.values())]
R = 3


def layer(*words: str, sizes=(6, 8), bias=True, like: GLoRALinear | None = None, **options) -> GLoRALinear:
    """A layer made for `words`; its tensors are the beginnings of those of `like`, or random."""
    torch.manual_seed(0)
    base = nn.Linear(*sizes, bias).double().requires_grad_(False)
    made = GLoRALinear(base, R, *(words or EVERY), **options)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, tensor in learnt(made).items():
            source = tensor.clone().normal_() if like is None else getattr(like, name)
            tensor.copy_(source[tuple(slice(n) for n in tensor.shape)])
    return made


def learnt(made: GLoRALinear) -> dict[str, nn.Parameter]:
    return {name: p for name, p in made.named_parameters() if name not in ("weight", "bias")}


def by_hand(m: GLoRALinear, word: str) -> tuple[Tensor, Tensor]:
    """W' and b' of the text, with the supports taken from their storage."""
    (out, inn), matrix = m.weight.shape, m.factor == "matrix"

    def stored(support: str, choice: str) -> Tensor:
        own = {"V": f"{support}_vector", "S": f"{support}_scalar"}
        return getattr(m, f"{support}_down" if m.entangled else own[choice[0]])

    def factor(support: str, choice: str, rows: int) -> Tensor:
        if choice[0] == "L":
            rank = int(choice[1:] or R)
            return getattr(m, f"{support}_down")[:, :rank] @ getattr(m, f"{support}_up")[:rank]
        if choice == "N":
            return torch.zeros(rows, inn, dtype=torch.float64)
        column = stored(support, choice)[:, 0]
        column = column if choice == "V" else column[0].expand(rows)
        return column.diag() if matrix and support == "A" else column[:, None].expand(rows, inn)

    def vector(support: str, choice: str) -> Tensor:
        if choice == "N":
            return torch.zeros(out, dtype=torch.float64)
        stem = support if m.entangled else f"{support}_{'vector' if choice == 'V' else 'scalar'}"
        return getattr(m, stem) if choice == "V" else getattr(m, stem)[0].expand(out)

    a, b, c, d, e = split(word)
    weight = m.weight + (m.weight @ factor("A", a, inn) if matrix else m.weight * factor("A", a, out))
    prompt = torch.zeros(inn, dtype=torch.float64)
    if c[0] == "L":
        rank = int(c[1:] or R)
        prompt = (m.C_down[:, :rank] @ m.C_up[:rank])[:, 0]
    elif c == "V":
        prompt = stored("C", c)[:, 0]
    bias = torch.zeros(out, dtype=torch.float64) if m.bias is None else m.bias + m.bias * vector("D", d)
    return weight + factor("B", b, out), bias + vector("E", e) + m.weight @ prompt


def check(made: GLoRALinear, word: str) -> None:
    """Forward, gradients and fold, against the formula."""
    made.choose(word)
    x = torch.randn(5, made.in_features, dtype=torch.float64, requires_grad=True)
    expected = F.linear(x, *by_hand(made, word))
    torch.testing.assert_close(made(x), expected)
    torch.testing.assert_close(made.fold()(x), expected)
    with torch.no_grad():
        torch.testing.assert_close(made(x), expected)
    tensors = [x, *learnt(made).values()]
    settings = {"allow_unused": True, "materialize_grads": True}
    wanted = torch.autograd.grad(expected.square().sum(), tensors, **settings)
    found = torch.autograd.grad(made(x).square().sum(), tensors, **settings)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(6, 8), (8, 6)])
def test_all_forms(bias, sizes):
    """In the supernet's storage and in a layer that has only what the word needs."""
    shared = layer(bias=bias, sizes=sizes)
    for word in WORDS:
        check(shared, word)
        alone = layer(word, bias=bias, sizes=sizes, like=shared)
        check(alone, word)
        torch.testing.assert_close(alone.effective(), shared.effective())


@pytest.mark.parametrize("factor", ["hadamard", "matrix"])
@pytest.mark.parametrize("entangled", [True, False])
def test_the_options(factor, entangled):
    """All forms of A and B, and smaller ranks; the others in turn."""
    shared = layer(factor=factor, entangled=entangled)
    for word in [*WORDS[::5], "L1L2L1VV", "L2NLSN", "VL1VNS"]:
        check(shared, word)
        check(layer(word, factor=factor, entangled=entangled, like=shared), word)


def test_separate_storage_shares_nothing():
    made = layer(entangled=False)
    own = {name for name in learnt(made) if name.endswith(("vector", "scalar"))}
    assert own == {f"{s}_vector" for s in "ABCDE"} | {f"{s}_scalar" for s in "ABDE"}
    with torch.no_grad():
        made.A_down.zero_()
        made.B_down.zero_()
    assert not torch.equal(made.fold().weight, made.weight) or made.word[:2] == "LL"
    made.choose("VVNNN")
    assert not torch.allclose(made.effective()[0], made.weight)


def test_a_rank_above_the_layers_is_refused():
    with pytest.raises(ValueError, match="config has L4 and the rank is 3"):
        layer("L4NNNN")
    with pytest.raises(ValueError, match="a layer made for L2NNNN has no tensors for LNNNN"):
        layer("L2NNNN").choose("LNNNN")


class Products(TorchDispatchMode):
    """Keeps the shapes (m, k, n) of matrix products."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.addmm_):
            one, other = args[-2:]
            self.seen.append((one.shape[0], one.shape[1], other.shape[1]))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("factor", ["hadamard", "matrix"])
def test_the_gradient_of_w_is_formed_for_a_low_rank_hadamard_factor_alone(factor):
    """It is the one product over all 100 inputs with an outcome of the size of W."""
    for word in WORDS:
        made, x = layer(word, factor=factor), torch.randn(100, 6, dtype=torch.float64, requires_grad=True)
        with Products() as products:
            made(x).sum().backward()
        dense = [(m, n) for m, k, n in products.seen if k == 100 and {m, n} == {8, 6}]
        assert len(dense) == (word[0] == "L" and factor == "hadamard"), word


def test_flops():
    """2 n in out for the output, as much for the gradient of x; the rest is LoRA's at most, or as small as W."""
    n, inn, out = 1000, 60, 80
    for word in WORDS[::5]:
        made = layer(word, sizes=(inn, out))
        x = torch.randn(n, inn, dtype=torch.float64, requires_grad=True)
        with FlopCounterMode(display=False) as counter:
            made(x).sum().backward()
        main = (6 if word[0] == "L" else 4) * n * inn * out
        narrow = {"L": 6 * n * R * (inn + out) + 2 * n * out, "N": 0}.get(word[1], 6 * n * (inn + out))
        assert main <= counter.get_total_flops() <= main + narrow + 20 * R * inn * out, word


def test_what_is_kept_for_the_backward_pass():
    """Inputs or outputs, not both, unless both A and B ask for it; nothing where only shifts are learnt."""
    n = 100
    for word in WORDS:
        made, kept = layer(word), {}
        x = torch.randn(n, 6, dtype=torch.float64, requires_grad=True) * 1
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, kept=kept: kept.update({t.data_ptr(): t.numel()}) or t, lambda t: t
        ):
            made(x)
        tokens = sum(size for size in kept.values() if size >= n * 6)
        inputs = 6 * n if word[0] in "LS" or word[1] == "L" else 0
        assert tokens == inputs + (8 * n if word[0] == "V" else 0), word


@pytest.mark.parametrize("factor", ["hadamard", "matrix"])
def test_no_weight_is_kept_but_the_pretrained_one(factor):
    """Of (out, in) there is W alone between forward and backward, whatever a layer's form."""
    for word in WORDS:
        made, kept = layer(word, factor=factor, sizes=(40, 60)), []
        x = torch.randn(7, 40, dtype=torch.float64, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(lambda t, kept=kept: kept.append(t) or t, lambda t: t):
            made(x)
        dense = {t.data_ptr() for t in kept if t.numel() >= 40 * 60}
        assert dense <= {made.weight.data_ptr()}, word


def test_live_parameters():
    """A, B: (in + out) r, out, 1, 0; C: (in + 1) r, in, 0; D, E: out, 1, 0."""
    matrix, column = {"L": 14 * R, "V": 8, "S": 1, "N": 0}, {"L": 7 * R, "V": 6, "N": 0}
    vector = {"V": 8, "S": 1, "N": 0}
    for word in WORDS:
        a, b, c, d, e = word
        expected = matrix[a] + matrix[b] + column[c] + vector[d] + vector[e]
        made = layer(word)
        assert made.live(word) == sum(p.numel() for p in learnt(made).values()) == expected
    assert layer(LARGEST, bias=False).live(LARGEST) == layer().live(LARGEST) - 8  # no b, no D
    assert layer().live("L2L1L2NN") == 14 * 3 + 7 * 2


def test_live_parameters_of_a_matrix_factor():
    """A: 2 in r, in, 1, 0."""
    for letter, expected in (("L", 12 * R), ("V", 6), ("S", 1), ("N", 0)):
        made = layer(f"{letter}NNNN", factor="matrix")
        assert made.live(made.word) == sum(p.numel() for p in learnt(made).values()) == expected


def test_start():
    torch.manual_seed(0)
    made = GLoRALinear(nn.Linear(192, 576), 8, LARGEST)
    for name, fans in (("A_up", 200), ("B_up", 200), ("C_up", 9)):
        bound = (6 / fans) ** 0.5
        assert 0.7 * bound < getattr(made, name).abs().max().item() <= bound
    assert not any(getattr(made, name).any() for name in ("A_down", "B_down", "C_down", "D", "E"))


@pytest.mark.parametrize("word", ["LLLVV", "VLVVV", "SVNSN", "NNNNN"])
def test_any_shape_of_input(word):
    made, x = layer(word), torch.randn(2, 6, 3, 4, dtype=torch.float64).permute(0, 2, 3, 1)
    expected = torch.stack([made(row) for row in x.reshape(-1, 6)]).reshape(2, 3, 4, 8)
    torch.testing.assert_close(made(x), expected)
    torch.testing.assert_close(made(x[0, 0, 0]), expected[0, 0, 0])


@pytest.mark.parametrize("word", ["LLLVV", "VLVVV", "VNNNN", "SVNSN", "NLNNN"])
def test_compiles_in_one_graph(word):
    torch._dynamo.reset()
    made, x = layer(word), torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    compiled = torch.compile(made, fullgraph=True, backend="aot_eager")
    wanted = torch.autograd.grad(made(x).square().sum(), list(learnt(made).values()))
    found = torch.autograd.grad(compiled(x).square().sum(), list(learnt(made).values()))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_w_is_frozen_and_learning_it_is_refused():
    base = nn.Linear(6, 8)
    made = GLoRALinear(base, R, "LLLVV")
    assert not made.weight.requires_grad and not base.weight.requires_grad
    made.weight.requires_grad_(True)
    with pytest.raises(ValueError, match=r"W, \(8, 6\), requires a gradient, and GLoRA forms none for it"):
        made(torch.randn(5, 6))
    with torch.no_grad():
        assert made(torch.randn(5, 6)).shape == (5, 8)


@pytest.mark.parametrize("word", ["LLLVV", "VLVVV", "NNNNN"])
def test_an_outline_without_memory_runs(word):
    made = GLoRALinear(nn.Linear(6, 8, device="meta"), R, word)
    assert made(torch.empty(5, 6, device="meta")).shape == (5, 8)


@pytest.mark.parametrize("gradient", [True, False])
@pytest.mark.parametrize("value", [0.001, -1.0, -1.001])
def test_bf16_keeps_small_changes_of_scale(gradient, value):
    """The factor 1 + A is not rounded to bfloat16, in which 1.001 is 1; it may be zero."""
    made = layer("VNNNN", bias=False, sizes=(64, 8)).float()
    with torch.no_grad():
        made.A_down.fill_(value)
    x = torch.randn(1000, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.set_grad_enabled(gradient):
        found, plain = made(x).double(), F.linear(x, made.weight).double()
    assert ((found * plain).sum() / plain.square().sum()).item() == pytest.approx(1 + value, abs=2e-4)


@pytest.mark.parametrize("word", ["VLVVV", "SLVVV", "NVVSS", "VVLVV"])
def test_bf16_gradients_are_those_of_bf16(word):
    """As near to the exact ones as those of the formula computed in bfloat16, give or take a factor."""
    made = layer(word, sizes=(64, 80))
    with torch.no_grad():
        for p in learnt(made).values():
            p.mul_(0.05)
    x, g = torch.randn(2000, 64, dtype=torch.float64), torch.randn(2000, 80, dtype=torch.float64)
    exact = torch.autograd.grad(made(x), list(learnt(made).values()), g)
    made, x = made.float(), x.float()

    def distances(y: Tensor) -> list[float]:
        found = torch.autograd.grad(y, list(learnt(made).values()), g.to(y.dtype))
        return [((f.double() - e).norm() / e.norm()).item() for f, e in zip(found, exact, strict=True)]

    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours, formula = made(x), F.linear(x, *made.effective())
    for one, other in zip(distances(ours), distances(formula), strict=True):
        assert one < 0.01 + 3 * other
