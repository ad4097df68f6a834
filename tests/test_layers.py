"""Imports point one way: benchmark -> methods, data; reports -> the record; methods and data know nobody."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "methods": (),
    "data": (),
    "benchmark": ("visionpeft.methods", "visionpeft.data", "visionpeft.conf"),
    "reports": ("visionpeft.benchmark.record", "visionpeft.benchmark.trial"),
}
ORDINARY = {"full", "linear", "adapter"}  # method names that are words of their own in the harness


def imports(file: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level >= len(file.relative_to(ROOT).parts):
            names.append("visionpeft.something")  # a relative import out of the layer
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_imports_point_one_way(layer):
    files = sorted((ROOT / layer).rglob("*.py"))
    assert files
    for file in files:
        for name in imports(file):
            assert name.partition(".")[0] not in MAY_IMPORT, f"{file}: write visionpeft.{name}"
            if name.startswith("visionpeft."):
                assert name.startswith(MAY_IMPORT[layer]), f"{file}: {layer} may not import {name}"


def test_no_method_is_named_in_the_harness():
    names = {path.stem for path in (ROOT / "conf" / "method").glob("*.yaml")} - ORDINARY
    for file in sorted((ROOT / "benchmark").rglob("*.py")):
        tree = ast.parse(file.read_text())
        words = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        words |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        strings = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        assert not {w for w in words | strings if w.lower() in names}, file


def test_no_trainability_by_name():
    """requires_grad is set by the method on modules; nothing matches parameter names as strings."""
    for file in sorted((ROOT / "methods").rglob("*.py")):
        assert " in name" not in file.read_text().replace("for name in", ""), file


@pytest.mark.parametrize(
    "module",
    [
        "visionpeft.benchmark.record",
        "visionpeft.benchmark.unite",
        "visionpeft.reports.leaderboard",
        "visionpeft.reports.budget",
        "visionpeft.reports.figures",
    ],
)
def test_tables_need_no_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_heavy_packages_are_imported_only_where_used():
    """Inside functions, so that a machine without them runs the checkout."""
    heavy = {"wandb", "pandas", "tensorflow_datasets", "sklearn", "scipy", "matplotlib", "huggingface_hub", "rich"}
    heavy |= {"h5py", "pyarrow", "pooch", "requests", "optuna", "altair", "vl_convert", "tensorboard"}
    for layer in ("benchmark", "methods", "data", "reports"):
        for file in sorted((ROOT / layer).rglob("*.py")):
            for node in ast.parse(file.read_text()).body:
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not heavy & {name.partition(".")[0] for name in names}, file
