"""The cards of a run: true to its record, readable by a hub, silent about test until it was read, safe to show."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from bs4 import BeautifulSoup
from huggingface_hub import DatasetCard, ModelCard
from markdown_it import MarkdownIt
from safetensors.torch import load_file

from semshare import methods, runs, training
from semshare.data import catalogue
from semshare.experiment import Experiment
from semshare.runs import cards
from semshare.runs.store import Run

EVIL = "<script>x</script> | a\n# b [c](javascript:d) ![e](f) `g` *h* _i_ $j$ {k} &amp; ~~l~~ \\| \n---\nhttp://m.org é"


def _run(method: str = "dscmr", dataset: str = "scenes-flickr25k", **fields: Any) -> Run:
    fixed = {"epochs": 3, "precision": "float32", "seed": 21}  # a seed of these tests' own
    return runs.get(runs.plan(dataset, method, "smoke", "cpu", **{**fixed, **fields}), "cpu", quiet=True)


@pytest.fixture(scope="module")
def untested(semshare_home: Path) -> tuple[Run, str, str]:
    """A run as the trainer left it, and its two cards before test was read."""
    run = _run(learning_rate=2e-3)
    return (
        run,
        (run.folder / cards.MODEL).read_text(encoding="utf-8"),
        (run.folder / cards.DATA).read_text(encoding="utf-8"),
    )


def _front(card: str) -> dict[str, Any]:
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("\n---\n")[0])


def _page(card: str) -> BeautifulSoup:
    """The card's prose as a browser gets it."""
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    return BeautifulSoup(markdown.render(card.split("\n---\n", 1)[1]), "html.parser")


def _table(card: str, under: str) -> list[list[str]]:
    """The rows of the first table under the heading ``under``."""
    table = _page(card).find(re.compile("h[123]"), string=under).find_next("table")
    return [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in table.find_all("tr")]


# Before and after test is read


def test_the_trainer_writes_both_cards_and_says_nothing_of_test(untested: tuple[Run, str, str]) -> None:
    _, model, data = untested
    assert "Test has not been read yet" in model and "The test split is described once it was read" in data
    splits = [one["dataset"]["split"] for one in _front(model)["model-index"][0]["results"]]
    assert splits == ["dev"] and _table(model, "Measures")[0] == ["measure", "dev"]
    assert [row[0] for row in _table(data, "Splits")] == ["split", "train", "dev"]
    assert _table(data, "Labels")[0] == ["label", "train", "dev"]


def test_reading_test_adds_its_measures(untested: tuple[Run, str, str]) -> None:
    run, before, _ = untested
    numbers = run.test.numbers()
    model, data = run.card.read_text(encoding="utf-8"), (run.folder / cards.DATA).read_text(encoding="utf-8")
    assert model != before and "has not been read" not in model + data
    results = {one["dataset"]["split"]: one for one in _front(model)["model-index"][0]["results"]}
    assert [one["value"] for one in results["test"]["metrics"]] == list(numbers.values())
    head, *rows = _table(model, "Measures")
    assert head == ["measure", "dev", "test of scenes-flickr25k"]
    assert [row[2] for row in rows] == [f"{value:.4f}" for value in numbers.values()]
    assert _table(data, "Splits")[3][:2] == ["test", "64"]
    assert not list(run.folder.glob("*.part"))


def test_training_alone_decides_what_is_kept_so_reading_test_changes_no_dev_number(
    untested: tuple[Run, str, str],
) -> None:
    run, before, _ = untested
    _ = run.test
    after = run.card.read_text(encoding="utf-8")
    assert _front(after)["model-index"][0]["results"][0] == _front(before)["model-index"][0]["results"][0]
    for table in ("The run", "Dev, epoch by epoch", "The experiment"):
        assert _table(after, table) == _table(before, table)


def test_one_folder_tells_the_tests_of_both_coco_galleries(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = replace(catalogue.CATALOGUE["scenes-coco1k"], test_size=40)
    monkeypatch.setitem(catalogue.CATALOGUE, "scenes-coco1k", entry)
    catalogue.forget_loaded()
    whole, part = _run("dscmr", "scenes-coco5k", epochs=1), _run("dscmr", "scenes-coco1k", epochs=1)
    assert whole.folder == part.folder
    _ = part.test, whole.test
    head, *rows = _table(whole.card.read_text(encoding="utf-8"), "Measures")
    assert head == ["measure", "dev", "test of scenes-coco1k", "test of scenes-coco5k"]
    shown = {row[0]: row[2:] for row in rows}
    for name, numbers in (
        ("i2t", "NDCG@500, image to text"),
        ("t2i", "NDCG@500, text to image, captions with the released discount"),
    ):
        assert shown[numbers] == [f"{one.test.numbers()[name]:.4f}" for one in (part, whole)]
    catalogue.forget_loaded()


def test_a_run_of_before_there_were_cards_gets_them_when_asked(untested: tuple[Run, str, str]) -> None:
    run, _, _ = untested
    _ = run.test
    expected = run.card.read_text(encoding="utf-8")
    for name in (cards.MODEL, cards.DATA):
        (run.folder / name).unlink()
    assert run.card.read_text(encoding="utf-8") == expected and (run.folder / cards.DATA).exists()


def test_a_card_that_cannot_be_made_leaves_the_old_one(
    untested: tuple[Run, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _, _ = untested
    before = {name: (run.folder / name).read_text(encoding="utf-8") for name in (cards.MODEL, cards.DATA)}
    monkeypatch.setattr(cards, "model_card", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        weights = run.folder / training.BEST
        cards.write(run.folder, cards.contents(run.record, run.dataset, {}, True, weights))
    assert {name: (run.folder / name).read_text(encoding="utf-8") for name in before} == before
    assert not list(run.folder.glob("*.part"))


# True to the run


def test_a_hub_reads_the_front_of_both_cards(untested: tuple[Run, str, str]) -> None:
    run, _, _ = untested
    numbers = run.test.numbers()
    model = ModelCard.load(run.card).data
    assert model.license == "other" and model.library_name == "semshare"
    assert model.datasets == ["scenes-flickr25k"] and model.metrics == ["f1", "ndcg"]
    assert {"dscmr", "preset-paper", "scale-smoke", "data-stand-in"} <= set(model.tags)
    found = {(one.dataset_split, one.metric_name): one.metric_value for one in model.eval_results}
    best = training.best_epoch(run.history)
    assert found["test", "Micro-F1, images"] == numbers["image_f1"]
    assert found["dev", "NDCG@500, text to image, captions with the released discount"] == best["t2i"]
    assert len(found) == 2 * len(numbers)
    data = DatasetCard.load(run.folder / cards.DATA).data
    assert data.license == "other" and data.pretty_name == "scenes-flickr25k"
    assert data.license_details == run.dataset.attribution


def test_the_model_card_says_what_the_record_says(untested: tuple[Run, str, str]) -> None:
    run, model, _ = untested
    facts, record = dict(_table(model, "The run")[1:]), run.record
    weights = sum(tensor.numel() for tensor in load_file(run.folder / training.BEST).values())
    assert facts["run"] == run.key and facts["preset"].startswith("paper: ") and facts["scale"] == "smoke"
    assert facts["weights"].startswith(f"{weights:,} numbers in best.safetensors") and facts["seed"] == "21"
    assert facts["trained"] == f"{record['made']}: 3 epochs, wall time {record['seconds']:.1f} s"
    assert facts["device"] == record["device"] and facts["precision"] == "float32"
    assert facts["threads"] == str(record["threads"]) and facts["initial weights"] == "random"
    assert facts["versions"] == ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    assert facts["commit"] == record["commit"]
    fields = dict(_table(model, "The experiment")[1:])
    assert set(fields) == set(Experiment.model_fields)
    assert fields["learning_rate"] == "0.002" and fields["root"] == "none" and fields["method"] == "dscmr"
    assert {name for name, value in fields.items() if value == "not read by dscmr"} == methods.get("dscmr").unread
    text = _page(model).get_text()
    assert f"image {run.thresholds.image:.4f}, text {run.thresholds.text:.4f}" in text
    assert run.dataset.checksum in text and run.dataset.attribution.split(";")[0] in text
    assert "a number about drawings" in text and "a drawn stand-in, not the real dataset" in text
    rows = _table(model, "Dev, epoch by epoch")[1:]
    assert [row[:3] for row in rows] == [
        [str(row["epoch"]), f"{row['loss']:.4f}", f"{row['image_f1']:.4f}"] for row in run.history
    ]


def test_the_dev_measures_are_the_kept_epochs(untested: tuple[Run, str, str]) -> None:
    run, model, _ = untested
    best = training.best_epoch(run.history)
    rows = dict(_table(model, "Measures")[1:])
    assert rows["Micro-F1, texts"] == f"{best['text_f1']:.4f}"
    assert rows["NDCG@500, image to text"] == f"{best['i2t']:.4f}"
    assert f"Kept: epoch {best['epoch']}, " in _page(model).get_text()


def test_where_each_modality_keeps_its_own_epoch_the_card_says_both() -> None:
    history = [
        {"epoch": epoch, "loss": 1.0, "image_f1": image, "text_f1": text, "i2t": 0.5, "t2i": 0.5}
        | {"image_f1_at_half": image / 2, "text_f1_at_half": text / 2}
        for epoch, image, text in ((1, 0.6, 0.1), (2, 0.4, 0.5), (3, 0.5, 0.3))
    ]
    measures, kept = cards._dev(history, "each", "dev")
    assert measures == {"image_f1": 0.6, "text_f1": 0.5, "image_f1_at_half": 0.3, "text_f1_at_half": 0.25}
    assert kept.startswith("the image side of epoch 1 and the text side of epoch 2")
    measures, kept = cards._dev(history, "mean", "dev")
    assert measures["image_f1"] == 0.4 and measures["i2t"] == 0.5 and kept.startswith("epoch 2,")
    measures, kept = cards._dev(history, "mean", "lowest-loss")
    assert not measures and "lowest training loss" in kept


def test_the_data_card_counts_what_the_trainer_read(untested: tuple[Run, str, str]) -> None:
    run, _, data = untested
    train, dev = run.dataset.parts["train"], run.dataset.parts["dev"]
    rows = _table(data, "Splits")[1:]
    assert [row[1:4] for row in rows] == [["160", "160", "1"], ["48", "48", "1"]]
    assert rows[0][4] == f"{float(train.labels.sum()) / 160:.2f}"
    labels = {name: [int(one) for one in counts] for name, *counts in _table(data, "Labels")[1:]}
    assert tuple(labels) == run.dataset.label_names
    for column, name in enumerate(run.dataset.label_names):
        assert labels[name] == [int(part.labels[:, column].sum()) for part in (train, dev)]
    facts = dict(_table(data, "What is in it")[1:])
    assert facts["checksum"] == f"sha256:{run.dataset.checksum}" and facts["status"].startswith("stand-in: ")
    assert facts["words"].startswith(f"{len(run.dataset.vocabulary):,}; Word2Vec of size 300")


def test_measures_at_half_stand_only_where_that_is_a_threshold(untested: tuple[Run, str, str]) -> None:
    run, _, _ = untested
    at_half = {
        half: cards.model_card(run.record, run.dataset, {"x": run.test.numbers()}, half, 1) for half in (True, False)
    }
    assert at_half[True].count("threshold 0.5") == 6 and "threshold 0.5" not in at_half[False]
    semantic = _run("traditional", epochs=1)
    _ = semantic.test
    assert "threshold 0.5" not in semantic.card.read_text(encoding="utf-8")


@pytest.mark.parametrize("regions", ["fasterrcnn-untrained", "fasterrcnn"])
def test_random_regions_are_no_result(
    regions: str, untested: tuple[Run, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _, _ = untested
    monkeypatch.setattr(type(run.dataset), "regions", regions)
    both = [cards.model_card(run.record, run.dataset, {}, True, 1), cards.data_card(run.record, run.dataset, False)]
    assert all(("random weights, to try the pipeline" in card) == regions.endswith("untrained") for card in both)


@pytest.mark.parametrize("status", cards.STATUS)
def test_every_status_is_said_on_both_cards(status: str, untested: tuple[Run, str, str]) -> None:
    run, _, _ = untested
    dataset = replace(run.dataset, status=status)
    meaning, limit = cards.STATUS[status], cards.LIMITS[status]
    model, data = cards.model_card(run.record, dataset, {}, True, 1), cards.data_card(run.record, dataset, False)
    assert all(meaning in card.lower() and limit in card for card in (model, data))
    assert f"data-{status}" in _front(model)["tags"] and status in _front(data)["tags"]


@pytest.mark.parametrize("method", methods.METHODS)
def test_every_method_has_a_card_that_says_what_it_is(method: str, untested: tuple[Run, str, str]) -> None:
    run, _, _ = untested
    experiment = runs.plan("scenes-flickr25k", method, "smoke", "cpu", preset="released")
    record = run.record | {"experiment": json.loads(experiment.to_json())}
    model = cards.model_card(record, run.dataset, {}, True, 1)
    text = _page(model).get_text()
    assert text.strip().startswith(f"{methods.get(method).title} on scenes-flickr25k")
    assert "the behaviour of the authors' released code" in text
    assert ("depends on the batch" in text) == (method not in ("linear", "dscmr"))


# Safe to show


def _evil(run: Run, name: str = EVIL) -> Any:
    """The run's data under names that a stranger chose."""
    names = (name, *(f"{label} {EVIL}" for label in run.dataset.label_names[1:]))
    source = SimpleNamespace(root=Path("/home/alice/data"), notes=(f"/home/alice/data/x.json: {EVIL}", f"- {EVIL}"))
    return replace(
        run.dataset,
        name=name,
        label_names=names,
        supercategories=dict.fromkeys(names, name),
        attribution=name,
        source=source,
    )


def test_strangers_text_is_shown_as_text(untested: tuple[Run, str, str]) -> None:
    run, _, _ = untested
    dataset, shown = _evil(run), " ".join(EVIL.split())
    model = cards.model_card(run.record, dataset, {EVIL: {"image_f1": 0.5, EVIL: 0.25}}, True, 1)
    data = cards.data_card(run.record, dataset, True)
    for card, link in ((model, cards.DATA), (data, cards.MODEL)):
        page = _page(card)
        assert not page.find_all(["script", "img", "em", "del", "s"])
        assert {one["href"] for one in page.find_all("a")} == {link}
        assert page.find("h1").get_text().endswith(shown)
        assert f"Licence and attribution: {shown}" in [one.get_text() for one in page.find_all("p")]
        assert card.count("\n---\n") == 1, "nothing ends the YAML early"
        assert "://" not in card.split("\n---\n")[1], "nothing that a hub would make a link of"
    assert [row[0] for row in _table(data, "Labels")[1:]] == [" ".join(name.split()) for name in dataset.label_names]
    assert {row[1] for row in _table(data, "Labels")[1:]} == {shown}
    assert [one.get_text() for one in _page(data).find_all("li")] == [f"x.json: {shown}", f"- {shown}"]
    assert _table(model, "Measures")[0][2] == f"test of {shown}"
    assert _front(data)["license_details"] == EVIL == _front(data)["pretty_name"]
    assert (
        _front(model)["datasets"] == [EVIL] and _front(model)["model-index"][0]["results"][1]["dataset"]["name"] == EVIL
    )


@pytest.mark.parametrize("name", ["no", "null", "~", "2024", "010", "1e3", "1E+3", "#x", "2024-01-01", "a: b", "true"])
def test_names_that_yaml_reads_otherwise_survive(name: str, untested: tuple[Run, str, str]) -> None:
    run, _, _ = untested
    dataset = _evil(run, name)
    model = cards.model_card(run.record, dataset, {name: {"image_f1": 0.5, name: 0.25}}, True, 1)
    data = cards.data_card(run.record, dataset, True)
    assert _front(model)["datasets"] == [name]
    assert _front(model)["model-index"][0]["results"][1]["dataset"]["name"] == name
    assert _front(data)["license_details"] == name == _front(data)["pretty_name"]
    assert re.search(r"pretty_name: (['\"]).*\1\n", data), "quoted, so that YAML 1.2 reads no number either"
    assert [row[:2] for row in _table(data, "Labels")[1:2]] == [[name, name]]


def test_a_card_is_yaml_without_objects(untested: tuple[Run, str, str]) -> None:
    _, model, data = untested
    for card in (model, data):
        assert "!!python" not in card and "!!" not in card.split("\n---\n")[0]


@pytest.mark.parametrize("bert", ["/home/alice/checkpoints/mini", "~/mini", "../mini", "C:\\mini"])
def test_no_folder_of_this_machine_is_named(bert: str, untested: tuple[Run, str, str]) -> None:
    run, _, _ = untested
    changed = run.experiment.model_dump(mode="json") | {"method": "ours", "bert": bert}
    changed |= {"root": "/home/alice/data/flickr"}
    source = SimpleNamespace(root=Path("/home/alice/data/flickr"), notes=("/home/alice/data/flickr: 3 pairs",))
    dataset = replace(run.dataset, source=source)
    both = cards.model_card(run.record | {"experiment": changed}, dataset, {}, True, 1)
    both += cards.data_card(run.record | {"experiment": changed}, dataset, True)
    assert "alice" not in both and "mini" not in both and str(Path.home()) + "/" not in both
    assert "a folder of the machine that trained" in both and "scenes-flickr25k: 3 pairs" in both.replace("\\", "")


def test_a_checkpoint_with_a_public_name_is_named(untested: tuple[Run, str, str]) -> None:
    run, _, _ = untested
    changed = run.experiment.model_dump(mode="json") | {"method": "ours", "bert": "google-bert/bert-base-uncased"}
    model = cards.model_card(run.record | {"experiment": changed}, run.dataset, {}, True, 1)
    assert _front(model)["base_model"] == "google-bert/bert-base-uncased"
    assert dict(_table(model, "The experiment"))["bert"] == "google-bert/bert-base-uncased"
