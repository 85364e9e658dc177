"""The paper's own numbers and settings, as data (Yang et al., IJCAI 2021, supplementary)."""

from __future__ import annotations

from dataclasses import dataclass

# The paper's datasets in the order of its Table 1, each with the stand-in that this package carries.
DATASETS = {
    "FLICKR25K": "scenes-flickr25k",
    "NUS-WIDE": "scenes-nuswide",
    "COCO1K": "scenes-coco1k",
    "COCO5K": "scenes-coco5k",
}

# The same datasets by the names under which the catalogue opens them where they have been downloaded.
_REAL = {
    "flickr25k": "FLICKR25K",
    "flickr25k-simulated": "FLICKR25K",
    "nuswide": "NUS-WIDE",
    "coco1k": "COCO1K",
    "coco5k": "COCO5K",
}

# The paper's claims, by their number.
CLAIMS = {
    1: "The consistency loss lowers the F1 of images, the strong modality, and does not raise that of texts (Fig. 1).",
    2: "NDCG rises as the classification error falls, and falls when the consistency loss is added (Fig. 1).",
    3: "Ours classifies at least as well as Independent, DSCMR and Ours+Con, in both modalities (Table 1).",
    4: "NDCG rises with a small lambda, stays flat, and collapses at the largest (Fig. 3).",
    5: "Retrieval fails by semantic and by super-class confusion (Fig. 2).",
}

# What the book asks beside the paper, numbered on from the paper's claims; and all that the verdicts test.
OWN_CLAIMS = {6: "Ours beats two linear classifiers, in F1 and in NDCG (the book's own claim, not the paper's)."}
TESTED = CLAIMS | OWN_CLAIMS

# What the real datasets have on average: labels a pair (NUS-WIDE and COCO approximately), tags a pair.
LABELS_A_PAIR = {"FLICKR25K": 3.78, "NUS-WIDE": 2, "COCO": 2.9}
FLICKR25K_TAGS_A_PAIR = 4.64

# Table 1: Micro-F1 (image, text) by method and dataset, in the order of DATASETS.
TABLE_1 = {
    "independent": ((0.672, 0.530), (0.644, 0.529), (0.628, 0.623), (0.624, 0.617)),
    "dscmr": ((0.634, 0.536), (0.611, 0.570), (0.627, 0.614), (0.538, 0.538)),
    "ours+con": ((0.686, 0.549), (0.651, 0.596), (0.683, 0.632), (0.685, 0.630)),
    "ours": ((0.690, 0.556), (0.651, 0.597), (0.692, 0.635), (0.689, 0.633)),
}

# Figure 3: NDCG x 100 at each lambda, read off the vector figure (error about 0.02).
LAMBDAS = (0.0, 0.001, 0.01, 0.1, 1.0, 10.0)
FIGURE_3 = {
    "FLICKR25K": {"i2t": (65.92, 66.54, 66.57, 67.25, 65.31, 49.64), "t2i": (69.22, 69.39, 69.00, 69.94, 68.33, 53.63)},
    "NUS-WIDE": {"i2t": (74.90, 75.41, 74.90, 75.52, 74.27, 49.86), "t2i": (75.20, 75.76, 74.77, 75.36, 73.68, 49.06)},
    "COCO1K": {"i2t": (76.11, 77.22, 76.92, 76.87, 75.13, 59.79), "t2i": (89.32, 90.05, 89.98, 89.78, 89.04, 80.48)},
    "COCO5K": {"i2t": (70.15, 70.96, 72.16, 71.06, 68.72, 48.83), "t2i": (80.47, 80.79, 82.72, 80.43, 79.16, 66.96)},
}  # fmt: skip

# Figure 1, FLICKR25K, last epoch, read off the figure: (without, with) the consistency loss.
FIGURE_1 = {"image_f1": (0.655, 0.640), "text_f1": (0.538, 0.536), "i2t": (0.646, 0.629), "t2i": (0.665, 0.653)}


def paper_name(dataset: str) -> str | None:
    """The paper's dataset that the catalogue's ``dataset`` is or stands in for, None where it is none of them."""
    stand_ins = {stand_in: name for name, stand_in in DATASETS.items()}
    return (stand_ins | _REAL).get(dataset)


def figure_1(dataset: str, measure: str) -> tuple[float, float] | None:
    """Fig. 1's ``measure`` after the last epoch, (without, with) the consistency loss: FLICKR25K alone has one."""
    return FIGURE_1[measure] if paper_name(dataset) == "FLICKR25K" else None


def table_1(method: str, dataset: str, measure: str) -> float | None:
    """Table 1's ``image_f1`` or ``text_f1``, None where the paper has no such cell."""
    name = paper_name(dataset)
    if name is None or method not in TABLE_1:
        return None
    image, text = TABLE_1[method][list(DATASETS).index(name)]
    return image if measure == "image_f1" else text


def figure_3(dataset: str, measure: str) -> dict[float, float]:
    """Fig. 3's ``i2t`` or ``t2i`` by lambda, in [0, 1]; empty where the paper has no such curve."""
    name = paper_name(dataset)
    values = FIGURE_3[name][measure] if name else ()
    return {lam: value / 100 for lam, value in zip(LAMBDAS, values, strict=False)}


@dataclass(frozen=True)
class Setting:
    """One setting that section 2 of the supplementary states, and the experiment field that holds it."""

    name: str
    paper: str
    field: str | None


SETTINGS = (
    Setting("regions an image", "36 RoIs", None),
    Setting("region rule", "detection score above 0.5, else the top 36", None),
    Setting("region feature", "1024-d", None),
    Setting("word vector", "300-d Word2Vec", None),
    Setting("maximum sequence length", "150", None),
    Setting("transformer blocks", "6", "layers"),
    Setting("self-attention heads", "8", "heads"),
    Setting("hidden size", "768 (BERT-base)", "width"),
    Setting("initial weights", "BERT-base", None),
    Setting("dropout", "0.1", "dropout"),
    Setting("optimiser", "Adam", None),
    Setting("learning rate", "1e-4", "learning_rate"),
    Setting("batch size", "64", "batch"),
    Setting("epochs", "at most 45", "epochs"),
    Setting("lambda", "0.1 (FLICKR25K, NUS-WIDE), 0.01 (COCO)", "lam"),
    Setting("device", "one Nvidia TITAN X", None),
)
