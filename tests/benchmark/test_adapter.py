"""Merged weights are such as plain timm loads, or are not written."""

import dataclasses

import pytest
import timm
import torch
from safetensors.torch import load_file

from visionpeft.benchmark.adapter import save, save_merged
from visionpeft.benchmark.backbone import build
from visionpeft.methods.glora import GLoRA

from .conftest import BACKBONE

SIZE = {"patch_size": 8, "embed_dim": 48, "depth": 1, "num_heads": 3}
TRUNK = {"img_size": 32, "num_classes": 3}


def saved(a_job, folder, config: str, model: str, **size) -> torch.nn.Module:
    """A GLoRA model whose tensors are noise, saved as an adapter."""
    method = GLoRA(rank=2, config=config)
    backbone = dataclasses.replace(BACKBONE, model=model, model_args=SIZE | size)
    run = dataclasses.replace(a_job(method).run, backbone=backbone)
    made = build(backbone, 3)
    method.inject(made)
    for parameter in made.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    save(folder, run, method, made)
    return made.eval()


def test_what_timm_loads(a_job, tmp_path):
    model = saved(a_job, tmp_path / "adapter", "NLNNN", "beit_base_patch16_224")
    save_merged(tmp_path / "adapter", tmp_path / "merged.safetensors")
    plain = timm.create_model("beit_base_patch16_224", **SIZE, **TRUNK).eval()
    plain.load_state_dict(load_file(tmp_path / "merged.safetensors"))
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(plain(x), model(x))


def test_an_adapter_appears_whole_or_not_at_all(a_job, tmp_path, monkeypatch):
    """Killed or out of room in the middle, nothing has its name; the next try clears away what it left."""
    folder = tmp_path / "adapter"
    with monkeypatch.context() as patch:
        patch.setattr("visionpeft.benchmark.adapter.OmegaConf.save", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            saved(a_job, folder, "NLNNN", "vit_tiny_patch16_224")
    assert not folder.exists()
    folder.mkdir()
    (folder / "stale").touch()
    saved(a_job, folder, "NLNNN", "vit_tiny_patch16_224")
    assert sorted(path.name for path in folder.iterdir()) == ["adapter.safetensors", "adapter.yaml"]
    assert [path.name for path in tmp_path.glob("*adapter*")] == ["adapter"]


@pytest.mark.parametrize(
    ("model", "size"), [("beit_base_patch16_224", {}), ("vit_tiny_patch16_224", {"qkv_bias": False})]
)
def test_a_bias_that_timm_lacks_is_refused(a_job, tmp_path, model, size):
    saved(a_job, tmp_path / "adapter", "NLVNV", model, **size)
    said = rf"merging gave {model} tensors that it lacks \(blocks\.0\.attn\.qkv\.bias, 1 in all\)"
    with pytest.raises(ValueError, match=said):
        save_merged(tmp_path / "adapter", tmp_path / "merged.safetensors")
    assert not (tmp_path / "merged.safetensors").exists()
