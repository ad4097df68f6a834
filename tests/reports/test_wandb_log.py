"""The leaderboard in W&B, offline: what will be sent; no wandb where it is not asked for."""

import hashlib
import json
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from visionpeft.reports import leaderboard

ALL = {"digits": 0.9, "letters": 0.8, "count": 0.5, "location": 0.3}


@pytest.mark.filterwarnings("default")  # wandb's own
def test_a_run_holds_the_cells_and_the_files(runs, offline_runs, capsys):
    runs.suite(ALL, "lora", seeds=(0, 1))
    runs.add(0.7, "digits", "ssf")
    runs.add(None, "letters", "ssf", fields={"status": "oom", "error": "no room"})
    assert leaderboard.main([str(runs.root), "--wandb", "offline"]) == 0
    (sent,) = offline_runs(runs.root)
    assert sent["run"].job_type == "leaderboard" and sent["exit"] == 0
    assert f"to send it: wandb sync {sent['folder']}" in capsys.readouterr().out
    cells = {(line["method"], line["task"]): line for line in table(sent, "cells")}
    assert len(cells) == 6
    digits = cells["lora", "digits"]
    assert (digits["mean"], digits["n"], digits["seeds"], digits["group"]) == (pytest.approx(90.5), 2, "0 1", "natural")
    assert digits["half_width"] == pytest.approx(12.706 * 0.5, rel=1e-4)  # Student's t, one degree of freedom
    assert len(digits["records"].split()) == 2
    assert (cells["ssf", "letters"]["mean"], cells["ssf", "letters"]["failed"]) == (None, 1)
    rows = {line["method"]: line for line in table(sent, "leaderboard")}
    assert rows["lora"]["mean_of_tasks_mean"] == pytest.approx(63.0)
    assert rows["ssf"]["mean_of_tasks_mean"] is None
    _holds(sent["artifacts"]["leaderboard"], runs.root)


def _holds(artifact, root: Path) -> None:
    assert artifact.type == "leaderboard"
    held = {one.path: one for one in artifact.manifest.contents}
    assert set(held) == {f"leaderboard.{end}" for end in ("html", "md", "csv")}
    for name, one in held.items():
        content = (root / name).read_bytes()
        assert one.digest == b64encode(hashlib.md5(content).digest()).decode()
        assert Path(one.local_path).read_bytes() == content and Path(one.local_path) != root / name


def table(sent, name: str) -> list[dict]:
    found = json.loads((sent["folder"] / "files" / sent["summary"][f"{name}.path"]).read_text())
    return [dict(zip(found["columns"], line, strict=True)) for line in found["data"]]


def test_it_is_left_alone_unless_asked_for(runs, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)  # importing it fails
    runs.suite(ALL)
    for argv in ([], ["--wandb", "disabled"]):
        assert leaderboard.main([str(runs.root), *argv]) == 0
    assert leaderboard.main([str(runs.root), "--wandb", "offline"]) == 2
    assert "pip install 'visionpeft[wandb]'" in capsys.readouterr().err
    assert leaderboard.main([str(runs.root), "--wandb", "yes"]) == 2
    assert "--wandb is one of disabled, offline, online; given yes" in capsys.readouterr().err
