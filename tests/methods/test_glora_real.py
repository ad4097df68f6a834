"""Merging on real images: the real ViT-Ti and test images of Flowers102, where VISIONPEFT_SHARED names them."""

import random

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import load_file

from visionpeft.methods.glora import GLoRA
from visionpeft.methods.glora_subnets import MergedSubnets, adapted_layers, choose

FEW, BATCH = 64, 50
"""Images of the second configuration; images that go through the model at a time."""


def test_merged_predictions_are_the_trained_models(shared):
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", num_classes=1000)
    model.load_state_dict(load_file(shared / "weights" / "vit_tiny_patch16_224.augreg_in21k_ft_in1k.safetensors"))
    GLoRA(rank=8).inject(model.eval())
    with torch.no_grad():
        for layer in adapted_layers(model):
            for name, p in layer.named_parameters():
                if name not in ("weight", "bias"):
                    p.normal_(std=0.02)
    folder = shared / "data" / "vtab-1k" / "oxford_flowers102"
    files = [line.split()[0] for line in (folder / "test.txt").read_text().splitlines()]
    subnets, space, rng = MergedSubnets(model), GLoRA(rank=8).space(adapted_layers(model)), random.Random(0)
    for number in (len(files), FEW):
        words = space.draw(rng)
        choose(model, words)
        plain = subnets.become(words)
        with torch.inference_mode():
            starts = range(0, number, BATCH)
            pairs = [(model(x), plain(x)) for x in (shown(folder, files[i : i + BATCH]) for i in starts)]
        trained, merged = (torch.cat(each) for each in zip(*pairs, strict=True))
        assert torch.equal(trained.argmax(-1), merged.argmax(-1)) and len(set(merged.argmax(-1).tolist())) > 5
        torch.testing.assert_close(trained, merged, rtol=0, atol=1e-5 * trained.abs().max().item())


def shown(folder, files) -> torch.Tensor:
    images = (Image.open(folder / file).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC) for file in files)
    return torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2) / 127.5 - 1
