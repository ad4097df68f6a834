"""A method that lives outside the repository fulfils the same contract, by the same tests."""

import dataclasses
import importlib
import inspect

import pytest
import torch

from visionpeft.methods.base import Method

from . import test_contract as contract

SOURCE = '''
"""Prefix scaling: a learned gain on the branch of each MLP, 1 at the start."""

from dataclasses import dataclass

import torch
from torch import nn

from visionpeft.methods.base import Method, positive
from visionpeft.methods.surgery import adopt, freeze, plain_linear, swap


@dataclass(frozen=True)
class Gain(Method):
    start: float = 1.0

    def __post_init__(self):
        positive(start=self.start)

    def inject(self, model):
        freeze(model)
        swap(model, ["fc2"], lambda base: GainLinear(base, self.start))


class GainLinear(nn.Linear):
    def __init__(self, base, start):
        adopt(self, base)
        self.gain = nn.Parameter(self.weight.new_full((), start))

    def forward(self, x):
        return self.gain * super().forward(x)

    def fold(self):
        return plain_linear(self.gain * self.weight, None if self.bias is None else self.gain * self.bias)
'''


TESTS = {
    name: test
    for name, test in vars(contract).items()
    if name.startswith("test_") and "method" in inspect.signature(test).parameters
}


@pytest.fixture
def gain(tmp_path, monkeypatch) -> Method:
    (tmp_path / "my_gain.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("my_gain").Gain()


@pytest.mark.parametrize("name", TESTS)
def test_contract(name, gain, tmp_path):
    offered = {"method": gain, "variant": "plain", "dtype": torch.float64, "tolerance": 1e-9}
    offered |= {"tmp_path": tmp_path, "training": False}
    TESTS[name](**{argument: offered[argument] for argument in inspect.signature(TESTS[name]).parameters})


def test_it_checks_itself(gain):
    with pytest.raises(ValueError, match="start must be above 0, got 0"):
        dataclasses.replace(gain, start=0)
