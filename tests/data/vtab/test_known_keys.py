"""Which examples VTAB takes where keys follow from a split's size alone: computed once by the formula, kept here.

Independent of any file; not yet confirmed by a directory that tensorflow-datasets prepared from the real ones.
"""

import hashlib

import pytest

from visionpeft.data.order import official_order
from visionpeft.data.vtab.cifar100 import CIFAR100
from visionpeft.data.vtab.clevr import Clevr
from visionpeft.data.vtab.dsprites import DSprites
from visionpeft.data.vtab.patch_camelyon import PatchCamelyon
from visionpeft.data.vtab.smallnorb import SmallNORB
from visionpeft.data.vtab.svhn import SVHN

CHOSEN = {
    CIFAR100(): {
        "train": ([16399, 1680, 47917], "052a69e094c95343"),
        "val": ([13431, 9237, 17462], "82bc8dbff1420169"),
        "test": ([9933, 5669, 163], "0a2b8b80e28e6c90"),
    },
    SVHN(): {
        "train": ([16399, 1680, 47917], "a7f4f4b60a95a2e3"),
        "val": ([21145, 64736, 23870], "4ba431820b15c6e8"),
        "test": ([23018, 16932, 19084], "f7b855a71b42fd51"),
    },
    DSprites("location"): {
        "train": ([16399, 634903, 206287], "607f58ef5c109017"),
        "val": ([220697, 85843, 84902], "80cc52dc2fd0f742"),
        "test": ([493443, 195884, 225768], "71cd1dc8e0eb7006"),
    },
    SmallNORB("azimuth"): {
        "train": ([16399, 1680, 17307], "c9c3e52ab578b6d0"),
        "val": ([23018, 16932, 19084], "803c05ce35eca416"),
        "test": ([299, 2838, 15595], "b2ae707624c18ad3"),
    },
    Clevr("count"): {
        "train": ([f"CLEVR_train_{i:06}.png" for i in (43876, 33421, 62025)], "2aa799cb1d81fbc9"),
        "val": ([f"CLEVR_train_{i:06}.png" for i in (35084, 29360, 4525)], "fd7e5b08fedd62b6"),
        "test": ([f"CLEVR_val_{i:06}.png" for i in (11736, 5989, 8130)], "af1e00f13186b149"),
    },
    PatchCamelyon(): {
        "train": (["train_251464", "train_132287", "train_133786"], "459d6dc9bf350470"),
        "val": (["valid_3270", "valid_10310", "valid_20603"], "58cf8f166d1b60db"),
        "test": (["test_11072", "test_27274", "test_8313"], "2ef843233e42cb46"),
    },
}
"""The first three keys of each slice, and the start of the sha256 over all of them, one a line."""


@pytest.mark.parametrize("data", CHOSEN, ids=lambda data: type(data).__name__)
def test_the_official_slices(data):
    orders = {}
    for name, (first, digest) in CHOSEN[data].items():
        split, start, stop = data.part(name)
        keys = data.known_keys(split)
        assert len(keys) == len(set(keys)) == data.counts[split]
        if split not in orders:
            orders[split] = official_order(split, keys)
        chosen = [keys[i] for i in orders[split][start:stop]]
        assert chosen[:3] == first
        assert hashlib.sha256("".join(f"{key}\n" for key in chosen).encode()).hexdigest().startswith(digest)
