"""Tuned and untuned rows are paired by column."""

from pathlib import Path
from types import SimpleNamespace

import pytest

PAGE = Path(__file__).parents[2] / "docs/results/ranking.md"


@pytest.fixture
def script(load_script):
    return load_script("equal_tuning")


def test_differences_are_paired_and_the_best_tuned_is_first(script):
    """12.706 times the standard deviation of 4 and 2 over the root of two is 12.7."""
    made = {
        ("lora", False): {("eurosat", 0): 50.0, ("eurosat", 1): 52.0},
        ("lora", True): {("eurosat", 0): 54.0, ("eurosat", 1): 54.0},
        ("ssf", False): {("eurosat", 0): 60.0, ("eurosat", 1): 60.0},
        ("ssf", True): {("eurosat", 0): 61.0, ("eurosat", 1): 61.0},
        ("full", False): {("eurosat", 0): 70.0, ("eurosat", 1): 70.0},
        ("full", True): {("eurosat", 0): 71.0},
    }
    head, _, first, second = script.accuracies(made)
    assert head == "| test accuracy, % | untuned: 0 | 1 | mean | tuned: 0 | 1 | mean | tuned minus untuned |"
    assert first == "| ssf | 60.0 | 60.0 | 60.0 | 61.0 | 61.0 | 61.0 | +1.0 |"
    assert second == "| lora | 50.0 | 52.0 | 51.0 ± 12.7 | 54.0 | 54.0 | 54.0 | +3.0 ± 12.7 |"


def test_tasks_and_samples_are_not_mixed(script):
    row = {("a", 0): 1.0, ("a", 1): 1.0, ("b", 0): 1.0, ("b", 1): 1.0}
    with pytest.raises(SystemExit, match="several tasks and several training samples"):
        script.accuracies({("lora", False): row, ("lora", True): row})


MINI = ("count", "creatures", "digits", "location", "orientation", "terrain", "tissue")


@pytest.mark.parametrize("columns", [[("eurosat", k) for k in range(3)], [(task, 0) for task in MINI]])
def test_the_page_has_the_tables_that_are_printed(script, monkeypatch, columns):
    """Their heads, and for every method as many studies as there are columns."""
    head, line, *_ = script.accuracies({("lora", tuned): dict.fromkeys(columns, 50.0) for tuned in (True, False)})
    studies = [SimpleNamespace(method="lora", without=(0.5,) * 8) for _ in columns]
    monkeypatch.setattr(script, "curves", lambda runs: studies)
    best_of, _, lora = script.budgets(PAGE.parent)
    below = PAGE.read_text(encoding="utf-8").partition(f"{head}\n{line}\n")[2]
    table = below.partition(f"{best_of}\n")[2].partition("\n\n")[0].splitlines()[1:]
    assert table and {row.split(" | ")[1] for row in table} == {lora.split(" | ")[1]}
