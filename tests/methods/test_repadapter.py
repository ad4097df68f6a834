"""RepAdapter: formula against a grouped convolution, folding, start."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from visionpeft.methods.repadapter import RepAdapter, RepLinear


def layer(bottleneck: int = 4, groups: int = 2, scale: float = 0.5, bias: bool = True) -> tuple[nn.Linear, RepLinear]:
    torch.manual_seed(0)
    base = nn.Linear(12, 7, bias).double()
    adapted = RepLinear(base, bottleneck, groups, scale, 0.0)
    with torch.no_grad():
        for parameter in (adapted.down.bias, adapted.up, adapted.up_bias):
            parameter.normal_()
    return base, adapted


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_formula(groups, bias):
    base, adapted = layer(groups=groups, bias=bias)
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    low = x @ adapted.down.weight.T + adapted.down.bias
    up = F.conv1d(low.transpose(1, 2), adapted.up[:, :, None], adapted.up_bias, groups=groups).transpose(1, 2)
    expected = base(x + 0.5 * up)
    torch.testing.assert_close(adapted(x), expected)
    torch.testing.assert_close(adapted.fold()(x), expected)


def test_start():
    torch.manual_seed(0)
    adapted = RepLinear(nn.Linear(192, 576), 8, 2, 1.0, 0.1)
    assert not adapted.up.any() and not adapted.up_bias.any() and not adapted.down.bias.any()
    bound = (6 / 200) ** 0.5
    assert 0.98 * bound < adapted.down.weight.abs().max().item() <= bound


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bottleneck": 0}, "bottleneck must be above 0"),
        ({"bottleneck": 9}, "bottleneck 9 cannot be cut into 2 groups"),
        ({"up_groups": 0}, "up_groups must be above 0"),
        ({"scale": 0}, "scale must be above 0"),
        ({"targets": ()}, "targets is empty"),
    ],
)
def test_bad_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        RepAdapter(**fields)


@pytest.mark.parametrize(("bottleneck", "groups"), [(16, 2), (10, 5)])
def test_what_does_not_fit(bottleneck, groups):
    with pytest.raises(ValueError, match=f"a bottleneck of {bottleneck} in {groups} groups does not fit 12 inputs"):
        layer(bottleneck, groups)
