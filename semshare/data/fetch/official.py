"""Where the datasets officially come from: archives with sizes and checksums, and what lies where once unpacked.

Sizes and checksums are those of public records; the annotations of FLICKR25K and the Karpathy split are pinned by
third parties only, and NUS-WIDE publishes none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from semshare.data.fetch.download import Remote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Piece:
    """One archive of a dataset, or a folder that only a person can fill.

    Attributes:
        folders: where its content may lie under the root (``""`` is the root); it is unpacked into the first.
        holds: what must be there at least: glob pattern -> number of files.
        remote: the archive; None where there is none to fetch.
        only: the files to take from the archive; None takes all.
        pictures: nothing but pictures, which simulated regions can do without.
        by_hand: how to get what cannot be fetched.
    """

    folders: tuple[str, ...]
    holds: Mapping[str, int]
    remote: Remote | None = None
    only: tuple[str, ...] | None = None
    pictures: bool = False
    by_hand: str = ""

    def lacks(self, root: Path) -> str:
        """What is missing under ``root``, in words; empty where nothing is."""
        missing = [_missing(root / folder, self.holds) for folder in self.folders]
        return "" if "" in missing else missing[0]


@dataclass(frozen=True)
class Plan:
    """A dataset's pieces, the folder they share in the data cache, and the page they are officially listed on."""

    folder: str
    page: str
    pieces: tuple[Piece, ...]


_LIACS = "https://press.liacs.nl/mirflickr/mirflickr25k.v3b"
_NUS = "https://lms.comp.nus.edu.sg/wp-content/uploads/2019/research/nuswide"
_COCO = "http://images.cocodataset.org"  # as the official page links it; the checksums guard what comes
_KARPATHY = "https://cs.stanford.edu/people/karpathy/deepimagesent"

FLICKR25K = Plan(
    "flickr25k",
    "https://press.liacs.nl/mirflickr/mirdownload.html",
    (
        Piece(
            ("mirflickr",),
            {"im*.jpg": 25_000, "meta/tags/tags*.txt": 25_000, "doc/common_tags.txt": 1},
            Remote(
                f"{_LIACS}/mirflickr25k.zip", "mirflickr25k.zip", 3_069_184_257, "md5:a23d0a8564ee84cda5622a6c2f947785"
            ),
        ),
        Piece(
            ("annotations", "mirflickr/annotations", "mirflickr25k_annotations_v080"),
            {"*.txt": 24},
            Remote(
                f"{_LIACS}/mirflickr25k_annotations_v080.zip",
                "mirflickr25k_annotations_v080.zip",
                207_220,
                "md5:aa0138c79892b1b670184d142380948f",
            ),
        ),
    ),
)
NUSWIDE = Plan(
    "nuswide",
    f"{_NUS}/NUS-WIDE.html",
    (
        Piece(("ImageList",), {"Imagelist.txt": 1}, Remote(f"{_NUS}/ImageList.zip", "ImageList.zip")),
        Piece(("ConceptsList",), {"*81.txt": 1}, Remote(f"{_NUS}/ConceptsList.zip", "ConceptsList.zip")),
        Piece(("Groundtruth",), {"AllLabels/Labels_*.txt": 81}, Remote(f"{_NUS}/Groundtruth.zip", "Groundtruth.zip")),
        Piece(
            ("NUS_WID_Tags",),
            {"AllTags1k.txt": 1, "TagList1k.txt": 1},
            Remote(f"{_NUS}/NUS_WID_Tags.zip", "NUS_WID_Tags.zip"),
        ),
        Piece(
            ("images", "Flickr"),
            {"*": 1},
            pictures=True,
            by_hand="the authors hand the pictures out after a signed agreement (form on the page), or fetch those "
            f"that still exist from {_NUS}/NUS-WIDE-urls.rar; lay them here as ImageList/Imagelist.txt names them",
        ),
    ),
)
COCO = Plan(
    "coco",
    "https://cocodataset.org/#download",
    (
        Piece(
            ("annotations",),
            {f"{kind}_{split}2014.json": 1 for kind in ("captions", "instances") for split in ("train", "val")},
            Remote(
                f"{_COCO}/annotations/annotations_trainval2014.zip",
                "annotations_trainval2014.zip",
                252_872_794,
                "sha256:031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009",
            ),
        ),
        Piece(
            ("",),
            {"dataset_coco.json": 1},
            Remote(
                f"{_KARPATHY}/caption_datasets.zip",
                "caption_datasets.zip",
                36_745_453,
                "sha256:4cfd70132527b80933105e5829dc9034eaab9573482e2e680abbab6130244817",
            ),
            only=("dataset_coco.json",),
        ),
        Piece(
            ("val2014",),
            {"COCO_val2014_*.jpg": 40_504},
            Remote(
                f"{_COCO}/zips/val2014.zip",
                "val2014.zip",
                6_645_013_297,
                "sha256:fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0",
            ),
            pictures=True,
        ),
        Piece(
            ("train2014",),
            {"COCO_train2014_*.jpg": 82_783},
            Remote(
                f"{_COCO}/zips/train2014.zip",
                "train2014.zip",
                13_510_573_713,
                "sha256:ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775",
            ),
            pictures=True,
        ),
    ),
)
# The same folder without Karpathy's split; coco16k is of train2014 alone.
COCO_2014 = Plan("coco", COCO.page, (COCO.pieces[0], *COCO.pieces[2:]))
COCO16K = Plan("coco", COCO.page, (COCO.pieces[0], COCO.pieces[3]))
PLANS: dict[str, Plan] = {
    "flickr25k": FLICKR25K,
    "flickr25k-simulated": FLICKR25K,
    "nuswide": NUSWIDE,
    "nuswide-tc21": NUSWIDE,
    "coco": COCO,
    "coco1k": COCO,
    "coco5k": COCO,
    "coco16k": COCO16K,
}


def _missing(folder: Path, holds: Mapping[str, int]) -> str:
    """What ``folder`` lacks of ``holds``; stops counting where there is enough."""
    for pattern, wanted in holds.items():
        count = sum(1 for _ in islice(folder.glob(pattern), wanted)) if folder.is_dir() else 0
        if count < wanted:
            return f"{folder}: found {count:,} of {pattern}, expected {wanted:,} or more"
    return ""
