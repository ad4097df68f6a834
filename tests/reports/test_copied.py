"""Which of our methods a published row is of, and which preset restates it."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from visionpeft.reports.copied import figures, methods
from visionpeft.reports.order import VTAB

CONF = Path(__file__).parents[2] / "conf"
FILES = ("vtab1k", "fewshot", "dg")
WIDTH, DEPTH = 768, 12


@pytest.mark.parametrize(
    ("file", "published", "names"),
    [
        ("vtab1k", "Adapter-8", "adapter_pfeiffer"),
        ("vtab1k", "Adapter", "adapter_pfeiffer"),
        ("vtab1k", "rand_h_adapter [last epoch]", "adapter"),
        ("vtab1k", "lora_p_adapter [last epoch]", "adapter_pfeiffer"),
        ("vtab1k", "LoRA-8", "lora"),
        ("vtab1k", "lora [best TEST epoch (100 looks)]", "lora"),
        ("vtab1k", "VPT-Deep", "vpt_deep"),
        ("vtab1k", "VPT-Shallow", "vpt_shallow"),
        ("vtab1k", "Full fine-tuning", "full"),
        ("vtab1k", "Linear probing", "linear"),
        ("vtab1k", "FacT-TT", "fact_tt"),
        ("vtab1k", "FacT", "fact_tk"),  # 0.07 M parameters, and FacT-TK's figures
        ("vtab1k", "GLoRA", "glora glora_large"),  # 0.86 M parameters
        ("vtab1k", "RepAdapter", "repadapter"),
        ("vtab1k", "RepAdapter (as labelled)", ""),  # SSF's figures
        ("vtab1k", "SSF", "ssf"),
        ("vtab1k", "NOAH", ""),
        ("vtab1k", "PACE baseline LoRAmul+VPTadd / LoRAadd", ""),
        ("fewshot", "Adapter-8", "adapter_pfeiffer"),
        ("fewshot", "VPT", "vpt_deep"),  # NOAH's VPT has tokens before all twelve blocks
        ("fewshot", "GLoRA", "glora"),  # of a size that is not known
        ("dg", "Adapter", "adapter_pfeiffer"),
        ("dg", "lora_32", "lora"),
        ("dg", "rand_h_adapter_32", "adapter"),
        ("dg", "Zero-shot CLIP", ""),
    ],
)
def test_rows_of_the_literature_and_methods_of_ours(file, published, names) -> None:
    assert {row["ours"] for row in figures(file) if row["method"] == published} == {names}


def test_every_method_that_is_named_is_there() -> None:
    named = {name for file in FILES for row in figures(file) for name in methods(row)}
    assert named and named <= {path.stem for path in (CONF / "method").glob("*.yaml")}


def test_rows_that_are_copied_digit_for_digit_are_of_one_method() -> None:
    alike: dict[tuple[str, ...], set[str]] = {}
    for row in figures("vtab1k"):
        if "mislabelled" not in row["notes"]:
            alike.setdefault(tuple(row[task] for task in VTAB), set()).add(row["ours"])
    assert len(alike) > 50 and all(len(names) == 1 for names in alike.values())


def test_one_adapter_per_block_has_half_the_parameters_of_two() -> None:
    """L (2 D h + h + D) for h = 8, twice that behind both branches; printed in millions."""
    one = DEPTH * (2 * WIDTH * 8 + 8 + WIDTH)
    printed = {
        row["params_M"] for row in figures("vtab1k") if row["ours"] == "adapter_pfeiffer" and row["run_by"] == "NOAH"
    }
    assert printed == {f"{one / 1e6:.2f}"} == {"0.16"}
    sizes = {row["params"] for row in figures("osu_vtab1k_runs") if row["method"] == "rand_h_adapter"}
    assert str(2 * one) in sizes


def test_a_preset_restates_one_row_of_each_of_its_methods() -> None:
    """Those of adapter_plus are not among the published rows here."""
    presets = [yaml.safe_load(path.read_text())["preset"] for path in (CONF / "preset").glob("*.yaml")]
    due = {(one["name"], name) for one in presets for name in one["methods"] if one["name"] != "adapter_plus"}
    rows = [row for row in figures("vtab1k") if row["preset"]]
    found = Counter((row["preset"], name) for row in rows for name in methods(row) if (row["preset"], name) in due)
    assert found == Counter(due) and len(rows) == len(due)
