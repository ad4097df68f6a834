"""Weights & Biases without a network: files on disk, several runs in one process; never imported unless asked for."""

import sys

import pytest

from visionpeft.benchmark.__main__ import main

ARGV = ["-m", "method=linear", "task=mini_digits", "backbone=vit_pico", "recipe=demo", "epochs=2", "seed=0,1"]


@pytest.mark.filterwarnings("default")  # wandb's own
def test_offline_runs_leave_their_files(folders, monkeypatch, capfd):
    pytest.importorskip("wandb")
    monkeypatch.setattr(sys, "argv", ["visionpeft"])
    assert main([*ARGV, "wandb=offline"]) == 0
    files = sorted((folders / "runs" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2
    for seed, path in enumerate(files):
        content = path.read_bytes()
        for text in (f"digits--linear--s{seed}", "mini/linear", "accuracy/test", "weights_sha256", "loss"):
            assert text.encode() in content, (seed, text)
    assert len(list((folders / "runs" / "mini").glob("*.json"))) == 2
