"""Small folders of feature files in each layout that the readers know, for every test that needs one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

SPLITS = ("train", "dev", "test")
REGIONS, SIZE = 4, 8


def regions(count: int, shape: tuple[int, ...] = (REGIONS, SIZE), dtype: str = "float32", seed: int = 0) -> np.ndarray:
    """Features [count, *shape] that are the same for the same seed."""
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(dtype)


def tag_arrays(
    root: Path,
    count: int = 20,
    shape: tuple[int, int] = (REGIONS, SIZE),
    dtype: str = "float32",
    classes: int = 5,
    tags: int = 30,
) -> Path:
    """The authors' layout of FLICKR25K: 24 labels, boxes in pictures of 500 x 375 pixels, height first."""
    root.mkdir(parents=True)
    for seed, split in enumerate(SPLITS):
        rng = np.random.default_rng(seed)
        np.save(root / f"{split}_preim.npy", regions(count, shape, dtype, seed))
        low = rng.random((count, shape[0], 2)) / 2
        corners = np.concatenate([low, low + rng.random(low.shape) / 2], -1)
        np.save(root / f"{split}_box.npy", (corners * [500, 375, 500, 375]).astype("float32"))
        np.save(root / f"{split}_hw.npy", np.tile(np.array([[375, 500]]), (count, 1)))
        labels = (rng.random((count, 24)) < 0.1).astype("int32")
        labels[np.arange(count), np.arange(count) % 24] = 1
        chosen = (rng.random((count, tags)) < 0.1).astype("float32")
        chosen[np.arange(count), np.arange(count) % tags] = 1
        savemat(root / f"{split}_label.mat", {"feat": labels})
        savemat(root / f"{split}_tag.mat", {"feat": chosen})
    if classes:
        scores = np.random.default_rng(9).random((count, shape[0], classes)).astype("float32")
        np.save(root / "train_cls.npy", scores)
    (root / "common_tags.txt").write_text("".join(f"tag{n} {n + 20}\n" for n in range(tags)), encoding="utf-8")
    return root


def caption_arrays(root: Path, count: int = 6, times: int = 1, labels: int = 80, label_times: int = 1) -> Path:
    """SCAN's layout with ``_label.npy``: ``times`` rows of features a picture, ``label_times`` rows of labels."""
    root.mkdir(parents=True)
    for seed, split in enumerate(SPLITS):
        np.save(root / f"{split}_ims.npy", regions(count, seed=seed).repeat(times, 0))
        lines = [f"A picture of the thing {n} in view {view}." for n in range(count) for view in range(5)]
        (root / f"{split}_caps.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (root / f"{split}_ids.txt").write_text("".join(f"{seed * 100 + n}\n" for n in range(count)), encoding="utf-8")
        if labels:
            np.save(root / f"{split}_label.npy", np.eye(labels)[np.arange(count) % 3].repeat(label_times, 0))
    return root


def instances(root: Path, count: int = 6) -> None:
    """COCO's annotations of the pictures of :func:`caption_arrays`: two categories in turn."""
    (root / "annotations").mkdir()
    ids = [seed * 100 + n for seed in range(3) for n in range(count)]
    content = {
        "images": [{"id": id, "file_name": f"COCO_val2014_{id:012d}.jpg"} for id in ids],
        "annotations": [{"image_id": id, "category_id": 17 + id % 2} for id in ids],
        "categories": [
            {"id": 17 + n, "name": name, "supercategory": "animal"} for n, name in enumerate(("cat", "dog"))
        ],
    }
    (root / "annotations" / "instances_val2014.json").write_text(json.dumps(content), encoding="utf-8")


def array_rows(root: Path, count: int = 12, shape: tuple[int, ...] = (REGIONS, SIZE), **changed: Any) -> Path:
    """Rows beside ``features.npy``, in reverse order; ``changed`` are other fields of the first line."""
    root.mkdir(parents=True)
    np.save(root / "features.npy", regions(count, shape))
    rows = [
        {
            "row": count - 1 - n,
            "texts": [f"A dog on the beach {n}.", "It is wet."],
            "labels": [["dog"], ["sea", "dog"]][n % 2],
        }
        for n in range(count)
    ]
    rows[0] |= changed
    (root / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return root
