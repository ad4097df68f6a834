"""NWPU-RESISC45: aerial images of 45 kinds of scenes (Cheng et al., 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..official import DataSet, Examples, Remote
from .files import inside, lacking, plain

CLASSES = (
    *("airplane", "airport", "baseball_diamond", "basketball_court", "beach", "bridge", "chaparral", "church"),
    *("circular_farmland", "cloud", "commercial_area", "dense_residential", "desert", "forest", "freeway"),
    *("golf_course", "ground_track_field", "harbor", "industrial_area", "intersection", "island", "lake", "meadow"),
    *("medium_residential", "mobile_home_park", "mountain", "overpass", "palace", "parking_lot", "railway"),
    *("railway_station", "rectangular_farmland", "river", "roundabout", "runway", "sea_ice", "ship", "snowberg"),
    *("sparse_residential", "stadium", "storage_tank", "tennis_court", "terrace", "thermal_power_station", "wetland"),
)


@dataclass(frozen=True)
class RESISC45(DataSet):
    """31,500 JPEG files of 256 x 256 pixels, 700 in a folder per class.

    Odd: there is one split only, so VTAB's val and test are slices of it; other releases' test sets are others. A key
    is the class and the file name, which has the class too: beach_beach_001.jpg.
    """

    names: ClassVar[tuple[str, ...]] = ("resisc45", "NWPU-RESISC45", "RESISC45")
    builder: ClassVar[str] = "resisc45:3.0.0"
    counts: ClassVar[Mapping[str, int]] = {"train": 31500}
    val: ClassVar[str] = "train[18900:19100]"
    test: ClassVar[str] = "train[25200:]"
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(  # the owners' archive packed anew by the maintainers of TorchGeo, whose library names this digest
            urls=(
                "https://huggingface.co/datasets/isaaccorley/resisc45/resolve/"
                "883edc0eee77b2c84225472f10f126e3ed83fa6e/NWPU-RESISC45.zip",
                "https://huggingface.co/datasets/taesiri/NWPU-RESISC45/resolve/main/NWPU-RESISC45.zip",
            ),
            name="NWPU-RESISC45.zip",
            digest="sha256:beeecd0b63656290ae6d65cf7763185b0c1c4c54a753ef8088d6fba3faaf1f53",
            size=0,
        ),
    )
    terms: ClassVar[str] = (
        "Northwestern Polytechnical University, for research: https://doi.org/10.1109/JPROC.2017.2675998"
    )
    by_hand: ClassVar[str] = (
        "the owners serve NWPU-RESISC45.rar (md5 d824acb73957502b00efd559fc6cfbbb) on OneDrive to a browser only: open "
        "https://1drv.ms/u/s!AmgKYzARBl5ca3HNaHIlzp_IXjs, download it, and unpack it (unrar x NWPU-RESISC45.rar) so "
        "that <data folder>/resisc45/NWPU-RESISC45/airplane/airplane_001.jpg is there"
    )

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        return lacking(inside(folder, "NWPU-RESISC45"), CLASSES, "RESISC45's class folders")

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        top = inside(folder, "NWPU-RESISC45")
        found = [(label, path) for label, name in enumerate(CLASSES) for path in sorted((top / name).glob("*.jpg"))]
        files = tuple(path for _, path in found)
        keys = [f"{path.parent.name}_{path.name}" for path in files]
        labels = np.array([label for label, _ in found], np.int64)
        return Examples(keys, labels, lambda i: files[i].read_bytes(), files)

    def key(self, features: Mapping[str, Any]) -> str:  # noqa: D102
        return f"{CLASSES[int(features['label'])]}_{plain(features['filename'])}"

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        return int(features["label"])
