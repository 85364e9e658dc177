"""How hard are the scenes? Linear probes on pictures and on texts, for the calibration in ``scene_words``.

    python benchmarks/probe_scenes.py --cache FOLDER

Logistic regression, one label against the rest, fitted on the laptop pool's 1,500 train items; the threshold is
tuned on its 300 dev items and Micro-F1 read there. Pictures: EfficientNet-lite0's 36 grid features, max-pooled and
standardised. Texts: binary bag of words seen at least twice, each caption an example of its own. No method of the
paper is run, and the test split is not touched.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler

from semshare.data.regions.grid import GridRegions
from semshare.data.scenes.layout import LABELS
from semshare.data.scenes.source import ScenesSource
from semshare.data.source import Item

THRESHOLDS = np.arange(0.05, 0.75, 0.025)


def picture_features(source: ScenesSource, items: list[Item]) -> np.ndarray:
    """[N, 1280] max-pooled grid features."""
    extractor = GridRegions()
    batches = [items[start : start + 50] for start in range(0, len(items), 50)]
    pooled = [extractor.extract([source.picture(item.id) for item in some]).features.amax(1) for some in batches]
    return torch.cat(pooled).numpy()


def probe(train: tuple, dev: tuple, strength: float) -> tuple[float, float, float]:
    """(Micro-F1 at the tuned threshold, that threshold, Micro-F1 at 0.5) on ``dev`` = (features, labels)."""
    model = OneVsRestClassifier(LogisticRegression(C=strength, max_iter=300)).fit(*train)
    scores = model.predict_proba(dev[0])
    at = {level: f1_score(dev[1], scores > level, average="micro") for level in (*THRESHOLDS, 0.5)}
    best = max(at, key=at.__getitem__)
    return at[best], best, at[0.5]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder of the drawn pools")
    cache = parser.parse_args().cache
    torch.set_num_threads(1)
    features = None
    print("view       labels  words | picture F1 (threshold, at .5) | text F1 (threshold, at .5) | difference")
    for view in LABELS:
        source = ScenesSource.at(view, "laptop", cache)
        items = [item for item in source.items() if item.split != "test"]
        if features is None:  # all views show the same pictures
            features = picture_features(source, items)
        labels = MultiLabelBinarizer(classes=list(source.label_names)).fit_transform([item.labels for item in items])
        first = [item.split == "train" for item in items].count(True)
        scaler = StandardScaler().fit(features[:first])
        seen, unseen = scaler.transform(features[:first]), scaler.transform(features[first:])
        image = probe((seen, labels[:first]), (unseen, labels[first:]), 0.003)

        owner = np.array([row for row, item in enumerate(items) for _ in item.texts])
        texts = np.array([text for item in items for text in item.texts])
        bag = CountVectorizer(binary=True, min_df=2, token_pattern=r"\S+").fit(texts[owner < first])
        known, new = (bag.transform(texts[part]) for part in (owner < first, owner >= first))
        text = probe((known, labels[owner[owner < first]]), (new, labels[owner[owner >= first]]), 1.0)
        count, words = labels.sum(1).mean(), np.mean([len(text.split()) for text in texts])
        print(
            f"{view:10s} {count:6.2f} {words:6.2f} | {image[0]:.3f} ({image[1]:.3f}, {image[2]:.3f})"
            f" | {text[0]:.3f} ({text[1]:.3f}, {text[2]:.3f}) | {image[0] - text[0]:+.3f}"
        )


if __name__ == "__main__":
    main()
