"""Two models, image by image."""

import numpy as np
import pytest

from visionpeft.benchmark.store import pack
from visionpeft.reports.models import main

LABELS = np.arange(10) % 3


def made(runs, label: str, wrong: list[int], **changes):
    predicted = LABELS.copy()
    predicted[wrong] = 9
    path = runs.add(1 - len(wrong) / 10, label=label, **changes)
    path.with_suffix(".npz").write_bytes(pack({"test": predicted, "labels/test": LABELS}))
    return path


def test_pairs_of_images_are_counted(runs, capsys) -> None:
    one, other = made(runs, "a", [0]), made(runs, "b", [1, 2, 3, 4, 5, 6])
    assert main([str(one), str(other)]) == 0
    said = capsys.readouterr().out
    # six images against one: 2 * (1 + 7) / 2**7
    assert "test: 10 images, right alone 6 (A) and 1 (B), p = 0.1250" in said and "no comparison of methods" in said


def test_models_that_cannot_be_paired_are_refused(runs, capsys) -> None:
    one, elsewhere = made(runs, "a", [0]), made(runs, "b", [1], task="count")
    assert main([str(one), str(elsewhere)]) == 2
    assert "other images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.with_suffix(".npz").unlink(), "no predictions"),
        (lambda path: path.with_suffix(".npz").write_bytes(pack({"test": LABELS})), "before they were kept"),
        (lambda path: path.with_suffix(".npz").write_bytes(b"x"), "cannot be read"),
        (lambda path: path.write_text("{"), "not readable as JSON"),
    ],
)
def test_what_is_missing_is_said(runs, capsys, spoil, message) -> None:
    one, other = made(runs, "a", [0]), made(runs, "b", [1])
    spoil(other)
    assert main([str(one), str(other)]) == 2
    assert message in capsys.readouterr().err
