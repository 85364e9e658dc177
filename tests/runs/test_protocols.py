"""Protocols on small readings: each part of a split by itself, releases and fits, and what is refused."""

from __future__ import annotations

import pytest
import torch

from semshare.data import catalogue
from semshare.data.dataset import Part
from semshare.errors import UserError
from semshare.evaluation import Reading, Retrieval
from semshare.experiment import Experiment
from semshare.runs import protocols
from semshare.runs.protocols import PROTOCOLS

DIRECTIONS = ("i2t", "t2i")


def split(images: int = 23, texts_each: int = 5, labels: int = 6, seed: int = 0) -> tuple[Reading, Part]:
    """A random reading and its split; of one-text images every second text repeats the one before it."""
    generator = torch.Generator().manual_seed(seed)
    owner = torch.arange(images).repeat_interleave(texts_each)
    words = tuple((row // 2 if texts_each == 1 else row,) for row in range(len(owner)))
    part = Part(
        image_ids=tuple(f"image {row}" for row in range(images)),
        labels=(torch.rand(images, labels, generator=generator) < 0.4).float(),
        texts=tuple(f"text {row}" for row in range(len(owner))),
        words=words,
        owner=owner,
        caption_index=torch.arange(texts_each).repeat(images),
    )
    image, text = (torch.randn(size, labels, generator=generator) for size in (images, len(owner)))
    return Reading(image, text, image, text), part


def experiment(dataset: str) -> Experiment:
    return Experiment.make(dataset=dataset, method="ours", scale="smoke")


def read(*names: str, dataset: str = "scenes-coco5k", **sizes: int) -> list[Retrieval]:
    kind = "captions" if "coco" in dataset else "tags"
    one_each = {} if kind == "captions" else {"texts_each": 1}
    chosen = [protocols.get(name) for name in names]
    return protocols.read(chosen, *split(**{**one_each, **sizes}), kind, experiment(dataset))


def test_names_are_file_names_and_descriptions_are_told_apart() -> None:
    assert all(name == one.name and not set(name) & set("/\\: ") for name, one in PROTOCOLS.items())
    described = [one.description for one in PROTOCOLS.values()]
    assert len(set(described)) == len(described) and all(text.endswith(".") for text in described)


def test_parts_of_a_test_split_fit_a_whole_split_of_captions_alone() -> None:
    everywhere = {one.name for one in protocols.fitting(catalogue.entry("scenes-flickr25k"))}
    assert everywhere == {one.name for one in protocols.fitting(catalogue.entry("scenes-coco1k"))}
    assert {"ndcg@500", "ndcg@500-released", "map", "recall@1"} <= everywhere
    on_coco = {one.name for one in protocols.fitting(catalogue.entry("coco5k"))}
    assert (
        on_coco
        == set(PROTOCOLS)
        == everywhere | {f"{name}-five-folds" for name in everywhere} | {f"{name}-first-1000" for name in everywhere}
    )


@pytest.mark.parametrize("dataset", ["scenes-flickr25k", "scenes-coco1k"])
def test_a_protocol_that_does_not_fit_is_refused(dataset: str) -> None:
    with pytest.raises(UserError, match=f"protocol: 'map-five-folds' is of COCO's whole test split, found '{dataset}'"):
        protocols.choose(["map", "map-five-folds"], dataset, catalogue.entry(dataset))


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(UserError, match="protocol: unknown 'ndcg@50', expected one of ndcg@500-released, ndcg@500, "):
        protocols.get("ndcg@50")


@pytest.mark.parametrize("dataset", ["scenes-coco5k", "scenes-flickr25k"])
def test_protocols_read_together_or_alone_are_the_same(dataset: str) -> None:
    names = [one.name for one in protocols.fitting(catalogue.entry(dataset))]
    for name, together in zip(names, read(*names, dataset=dataset), strict=True):
        alone = read(name, dataset=dataset)[0]
        for field, values in vars(together).items():
            torch.testing.assert_close(vars(alone)[field], values, rtol=0, atol=1e-12, equal_nan=True)


def test_every_protocol_says_something_of_its_own() -> None:
    # 120 images with 600 captions: no cut-off reaches the end of the captions.
    names = [one.name for one in PROTOCOLS.values() if one.images == "all"]
    means = {tuple(float(getattr(one, way).nanmean()) for way in DIRECTIONS) for one in read(*names, images=120)}
    assert len(means) == len(names) == 12


def test_the_released_discount_is_for_caption_queries_alone() -> None:
    released, rank = read("ndcg@500-released", "ndcg@500")
    assert torch.equal(released.i2t, rank.i2t) and torch.equal(released.i2t_random, rank.i2t_random)
    assert released.t2i.mean() > rank.t2i.mean() and released.t2i_random.mean() > rank.t2i_random.mean()
    assert (released.t2i != rank.t2i).all()
    released, rank = read("ndcg@500-released", "ndcg@500", dataset="scenes-flickr25k")
    assert torch.equal(released.t2i, rank.t2i) and torch.equal(released.i2t, rank.i2t)


def test_a_tag_gallery_holds_each_text_once_and_a_repeated_one_is_everybodys() -> None:
    # 10 images, labels that do not tell texts apart: 5 distinct texts, each of two images.
    reading, part = split(images=10, texts_each=1)
    part.labels[:] = 1
    reading.text[:] = torch.eye(6)[torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])]
    reading.image[:] = reading.text
    found = protocols.read([protocols.get("recall@1")], reading, part, "tags", experiment("scenes-flickr25k"))[0]
    assert found.gallery.tolist() == [[5, 10]]
    assert found.i2t.tolist() == [1] * 10, "both images find the text that stands for theirs"
    assert found.t2i.tolist() == [1, 0] * 5, "of two equal images the first stands first"
    assert found.i2t_random.tolist() == pytest.approx([1 / 5] * 10)
    assert found.t2i_random.tolist() == pytest.approx([1 / 10] * 10)


@pytest.mark.parametrize("name", ["ndcg@500-released", "map", "recall@5"])
def test_five_folds_are_consecutive_fifths_ranked_by_themselves(name: str) -> None:
    reading, part = split(images=23)
    found = read(f"{name}-five-folds")[0]
    assert found.gallery.tolist() == [[20, 4]] * 5
    for fold in range(5):
        span = 4 * fold, 4 * fold + 4
        alone = protocols.read(
            [protocols.get(name)], reading.between(part, *span), part.between(*span), "captions", experiment("coco5k")
        )[0]
        texts = slice(5 * span[0], 5 * span[1])
        for direction, rows in (("i2t", slice(*span)), ("t2i", texts)):
            torch.testing.assert_close(
                getattr(found, direction)[rows], getattr(alone, direction), rtol=0, atol=1e-12, equal_nan=True
            )
    # Three images and their captions are in no fold.
    assert found.i2t[20:].isnan().all() and found.t2i[100:].isnan().all()
    assert found.i2t_random[20:].isnan().all() and found.t2i_random[100:].isnan().all()


def test_the_first_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "FIRST", 8)
    whole, first = read("ndcg@500", "ndcg@500-first-1000")
    assert first.gallery.tolist() == [[40, 8]] and whole.gallery.tolist() == [[115, 23]]
    assert first.i2t[8:].isnan().all() and not first.i2t[:8].isnan().any()
    assert first.t2i[40:].isnan().all() and not first.t2i[:40].isnan().any()
    monkeypatch.setattr(protocols, "FIRST", 1000)
    assert torch.equal(read("ndcg@500-first-1000")[0].i2t, whole.i2t), "all, where there are fewer"


def test_fewer_images_than_folds_are_refused() -> None:
    with pytest.raises(UserError, match="5 folds need at least 5 test images, found 4"):
        read("ndcg-five-folds", images=4)
