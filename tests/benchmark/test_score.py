"""Scoring: each test image is seen once, and the class is chosen among all or among those of the set."""

import numpy as np
import pytest
import torch
from torch import nn

from visionpeft.benchmark.loop import Diverged, predict, predict_among
from visionpeft.benchmark.score import Held, score
from visionpeft.data.loader import Batches

LOGITS = torch.tensor([[9.0, 1, 2, 3, 4], [0, 5, 4, 6, 7], [1, 0, 3, 2, 9], [0, 8, 1, 2, 3]])
"""Of four images, over five classes."""


class Handmade(nn.Module):
    """Answers with the logits above, by the brightness of an image."""

    def __init__(self, logits=LOGITS):
        super().__init__()
        self.logits, self.seen = logits, 0

    def forward(self, x):
        self.seen += len(x)
        return self.logits[x[:, 0, 0, 0].round().long()]


def held(columns, labels=(3, 1, 2, 1)):
    pixels = np.broadcast_to(np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1), (4, 2, 2, 3))
    batches = Batches(pixels, np.array(labels), (0.0,) * 3, (1 / 255,) * 3, torch.device("cpu"))
    return Held(batches, columns)


def test_both_conventions_from_one_look():
    """Over all five classes 0, 4, 4, 1 win; among 1, 2 and 3 it is 3, 3, 2, 1."""
    model = Handmade()
    found = score(model, [held({"test/a": None, "test/a_3": np.array([1, 2, 3])})], "fp32")
    assert model.seen == 4
    assert found.predicted["test/a"].tolist() == [0, 4, 4, 1]
    assert found.predicted["test/a_3"].tolist() == [3, 3, 2, 1]
    assert found.accuracies == {"test/a": 0.25, "test/a_3": 0.75}


def test_each_test_set_has_its_own():
    sets = [held({"test/x": None}), held({"test/y": None}, (0, 4, 4, 1))]
    assert score(Handmade(), sets, "fp32").accuracies == {"test/x": 0.25, "test/y": 1.0}


def test_what_is_not_finite_is_no_result():
    with pytest.raises(Diverged, match="the trained model's outputs are not finite"):
        score(Handmade(LOGITS * float("nan")), [held({"test": None})], "fp32")


def test_the_loss_is_over_all_classes():
    batches = held({}).batches
    expected = nn.functional.cross_entropy(LOGITS, batches.labels, reduction="none")
    torch.testing.assert_close(predict_among(Handmade(), batches, "fp32", [torch.tensor([1, 2])])[1], expected)
    classes, losses = predict(Handmade(), batches, "fp32")
    assert classes.tolist() == [0, 4, 4, 1]
    torch.testing.assert_close(losses, expected)
