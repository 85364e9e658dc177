"""The run store: found or made, once, resumed after damage; mistakes are named before any work."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

import semshare
from semshare import methods, runs, training
from semshare.data import catalogue
from semshare.errors import UserError
from semshare.evaluation import Retrieval, Thresholds
from semshare.experiment import READING, Experiment
from semshare.paper import tables
from semshare.runs import keys, protocols, store
from semshare.runs.store import Run
from semshare.search.pretrained import PretrainedModel
from semshare.utils.progress import MARK

# Short, and the same wherever the tests run: a CPU may compute in bfloat16 by default.
FIXED = {"epochs": 2, "precision": "float32"}
_UNREAD = {"linear": {"epochs", "precision"}}  # it takes no steps


def _plan(method: str = "dscmr", dataset: str = "scenes-flickr25k", **fields: object) -> Experiment:
    read = {name: value for name, value in {**FIXED, **fields}.items() if name not in _UNREAD.get(method, ())}
    return runs.plan(dataset, method, "smoke", "cpu", **read)


def _get(experiment: Experiment) -> Run:
    return runs.get(experiment, "cpu", quiet=True)


def _timeless(history: list[dict]) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


@pytest.fixture(scope="module")
def run(semshare_home: Path) -> Run:
    """One finished run that keeps every epoch; cheap, and chosen by the mean of both F1."""
    return _get(_plan(keep="every-epoch", epochs=3, learning_rate=2e-3))


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(training, "fit", fit)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"dataset": "imagenet"}, "dataset: unknown 'imagenet', expected one of .*coco"),
        ({"method": "theirs"}, "method: unknown 'theirs', expected one of .*independent"),
        ({"regions": "squares"}, "regions: unknown 'squares', expected one of .*grid"),
        ({"dataset": "coco"}, "root: missing; dataset 'coco' needs the folder"),
        ({"dataset": "coco", "root": "/nowhere"}, r"/nowhere/annotations: no instances_\*.json here"),
    ],
)
def test_get_names_a_mistake_before_any_work(fields: dict, expected: str, no_work: Path) -> None:
    base = {"dataset": "scenes-flickr25k", "method": "ours", "scale": "smoke"}
    with pytest.raises(UserError, match=f"^{expected}"):
        _get(Experiment.make(**{**base, **fields}))
    assert not [path for path in no_work.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_get_names_a_device_that_is_not_there_before_any_work(no_work: Path) -> None:
    experiment = Experiment.make(dataset="scenes-flickr25k", method="ours", scale="smoke")
    with pytest.raises(UserError, match=r"^device: 'gpu' cannot be used"):
        runs.get(experiment, "gpu")
    assert not no_work.exists()


# The key


def _key(experiment: Experiment, checksum: str = "data") -> str:
    return keys.key_of(keys.parts(experiment, checksum))


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": 1}, {"lam": 0.5}, {"eta": 0.5}, {"mask_share": 0.2}, {"label_loss": "bce"}, {"similarity": "count"},
        {"width": 32}, {"layers": 2}, {"heads": 2}, {"feed_forward": 8}, {"dropout": 0.0},
        {"epochs": 9}, {"least_steps": 9}, {"batch": 8}, {"learning_rate": 1.0}, {"precision": "bfloat16"},
        {"keep": "every-epoch"}, {"block": "pre-ln"}, {"padding": "read"},
        {"box_weight": 0.1}, {"place_weight": 0.1}, {"masked_word": "unk"}, {"masked_region": "kept"},
        {"context_scores": "sigmoid"}, {"text_clip": 2.0}, {"pairing": "same-labels"},
        {"missing_regions": 0.1}, {"missing_words": 0.1}, {"train_items": 9},
        {"method": "ours"}, {"dataset": "scenes-nuswide"}, {"scale": "laptop"}, {"split_seed": 1}, {"regions": "x"},
        {"context_items": "longest"}, {"context_words": "all"}, {"segment_sum": "mean"}, {"layer_norm": "deviation"},
        {"word_places": "first"}, {"boxes": "first"}, {"initial_words": "uniform"}, {"initial_layers": "xavier"},
        {"epoch_pairs": "captions"}, {"checkpoint": "lowest-loss"}, {"evaluation_batches": "in-order"},
        {"caption_mean": "split"}, {"schedule": "cosine"}, {"most_steps": 99},
    ],
    ids=lambda fields: next(iter(fields)),
)  # fmt: skip
def test_the_key_changes_with_every_field_that_trains(fields: dict) -> None:
    assert _key(_plan().change(**fields)) != _key(_plan())


def test_every_field_but_root_is_tried_above() -> None:
    """Of tokens and checkpoints the content counts, not the name: data/test_tokens.py and test_bert.py."""
    marks = test_the_key_changes_with_every_field_that_trains.pytestmark[0].args[1]
    assert {name for fields in marks for name in fields} == set(Experiment.model_fields) - {
        "root",
        "bert",
        "tokens",
        *READING,
    }


@pytest.mark.parametrize(
    "fields",
    [{"preset": "released"}, {"ranking": "dot"}, {"gallery": "texts"}, {"text_queries": "distinct"}],
    ids=lambda fields: next(iter(fields)),
)
def test_what_only_reads_a_run_is_not_in_its_key(fields: dict) -> None:
    assert _key(_plan().change(**fields)) == _key(_plan())
    assert fields.keys() <= READING


def test_every_field_that_only_reads_is_tried_above() -> None:
    marks = test_what_only_reads_a_run_is_not_in_its_key.pytestmark[0].args[1]
    assert {name for fields in marks for name in fields} == READING


def test_a_field_at_its_default_is_not_in_the_key() -> None:
    fields = keys.parts(_plan(), "data")["experiment"]
    assert "dropout" not in fields and "seed" not in fields and fields["epochs"] == 2
    assert keys.parts(_plan().change(dropout=0.2), "")["experiment"]["dropout"] == 0.2


def test_a_run_trained_with_another_default_is_not_taken_for_this_one(tmp_path: Path) -> None:
    run = _get(_plan(seed=77))
    record = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert store.exists(run.experiment)
    record["experiment"]["dropout"] = 0.9  # what was the default then, and is left out of the key
    (run.folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert not store.exists(run.experiment)
    assert _get(run.experiment).record["experiment"]["dropout"] == run.experiment.dropout


def _checkpoint(folder: Path, seed: int = 0, **sizes: int) -> str:
    torch.manual_seed(seed)
    given = {"vocab_size": 1, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    BertModel(BertConfig(**given | {"intermediate_size": 24} | sizes)).save_pretrained(folder)
    return str(folder)


def test_plan_takes_the_sizes_of_a_bert_checkpoint_at_every_scale(tmp_path: Path) -> None:
    source = _checkpoint(tmp_path, num_hidden_layers=7)
    for scale in ("smoke", "laptop", "full"):
        one = runs.plan("scenes-flickr25k", "ours", scale, bert=source)
        assert (one.width, one.layers, one.heads, one.feed_forward) == (16, 6, 8, 24)
    one = runs.plan("scenes-flickr25k", "ours", "smoke", bert=source, layers=7, heads="checkpoint")
    assert (one.layers, one.heads) == (7, 2)
    assert _plan("ours", bert=source, heads="4").heads == 4  # as the command line gives it
    with pytest.raises(UserError, match=r"^width: found 32, expected 16, that of bert"):
        _plan("ours", bert=source, width=32)
    with pytest.raises(UserError, match=r"^width: 16 is not a multiple of heads \(3\)"):
        _plan("ours", bert=source, heads=3)
    with pytest.raises(UserError, match=r"^bert: a BERT checkpoint has post-ln blocks, found block 'pre-ln'"):
        _plan("ours", bert=source, preset="released")
    with pytest.raises(UserError, match=r"^heads: 'checkpoint' is a BERT checkpoint's own number, and bert names none"):
        _plan("ours", heads="checkpoint")


def test_the_key_changes_with_the_content_of_a_bert_checkpoint_and_not_with_its_place(tmp_path: Path) -> None:
    keys = [_key(_plan("ours", width=16, feed_forward=24, layers=2, heads=8))]
    for seed in (0, 1):
        source = _checkpoint(tmp_path / "bert", seed)  # the same name twice, other weights
        keys.append(_key(_plan("ours", bert=source)))
    assert len(set(keys)) == 3
    assert _key(_plan("ours", bert=_checkpoint(tmp_path / "elsewhere", seed=1))) == keys[2]
    assert _key(_plan("ours", bert=source, heads="checkpoint")) not in keys


def test_a_bert_checkpoint_that_cannot_be_read_is_told_before_any_work(no_work: Path, tmp_path: Path) -> None:
    source = _checkpoint(tmp_path / "bert")
    planned = _plan("ours", bert=source)
    misfit = planned.change(layers=3)
    with pytest.raises(UserError, match=r"^layers: found 3, expected at most the 2 of bert"):
        runs.get(misfit, "cpu")
    (tmp_path / "bert" / "model.safetensors").write_bytes(b"rubbish")
    with pytest.raises(UserError, match=r"^bert: cannot read a BERT checkpoint from '.*bert': damaged"):
        runs.get(planned, "cpu")
    with pytest.raises(UserError, match=r"^bert: cannot read a BERT checkpoint from '.*nothing'"):
        _plan("ours", bert=str(tmp_path / "nothing"))
    assert not no_work.exists()


def test_what_a_run_began_with_is_said_and_on_record(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    planned = _plan("ours", bert=_checkpoint(tmp_path / "bert"), epochs=1)
    capfd.readouterr()
    run = runs.get(planned, "cpu")
    said = run.record["initial_weights"]
    assert "bert (sha256 " in said and "2 heads of 8 regrouped as 8 heads of 2" in said
    lines = capfd.readouterr().err.splitlines()
    assert all(line.startswith(MARK) for line in lines), lines  # else it would be on the book's page
    assert sum(line.endswith(f"initial weights: {said}") for line in lines) == 1
    shown = tables.settings_table(run).loc["initial weights"]
    assert list(shown) == ["BERT-base", said]
    # The weights that were kept need the checkpoint no more.
    (tmp_path / "bert" / "model.safetensors").unlink()
    assert run.network().encoders["both"].bert.config.num_attention_heads == 8


def test_without_a_checkpoint_a_run_began_with_random_weights(run: Run) -> None:
    assert run.record["initial_weights"] == "random"


def test_settings_that_nothing_reads_are_refused() -> None:
    with pytest.raises(UserError, match=r"^lam: method 'independent' does not read it"):
        runs.plan("scenes-flickr25k", "independent", "smoke", lam=0.5)
    with pytest.raises(UserError, match=r"^split_seed: dataset 'scenes-flickr25k' does not read it"):
        runs.plan("scenes-flickr25k", "ours", "smoke", split_seed=1)
    with pytest.raises(UserError, match=r"^bert: method 'dscmr' does not read it"):
        runs.plan("scenes-flickr25k", "dscmr", "smoke", bert="bert-base-uncased")
    with pytest.raises(UserError, match=r"^context_scores: method 'traditional' does not read it"):
        runs.plan("scenes-flickr25k", "traditional", "smoke", context_scores="sigmoid")
    with pytest.raises(UserError, match=r"^padding: method 'dscmr' does not read it"):
        runs.plan("scenes-flickr25k", "dscmr", "smoke", padding="read")


def test_the_key_does_not_change_with_root_and_is_the_same_again() -> None:
    assert _key(_plan()) == _key(_plan()) == _key(_plan().change(root="/data/coco"))
    assert len(_key(_plan())) == 12


def test_the_key_changes_with_data_libraries_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _key(_plan())
    assert _key(_plan(), "other data") != before
    with monkeypatch.context() as patch:
        patch.setattr(keys, "library_versions", lambda: {"torch": "0"})
        assert _key(_plan()) != before
    monkeypatch.setattr(keys, "code_parts", lambda method: {"semshare.training": "other code"})
    assert _key(_plan()) != before


# Found or made


def test_a_run_has_its_record_and_what_it_was_made_from(run: Run) -> None:
    record = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert record == run.record and run.key == record["key"] and run.key in run.folder.name
    assert Experiment.from_json(json.dumps(record["experiment"])) == run.experiment
    assert len(run.history) == 3 and record["device"].startswith("cpu (")
    assert set(record["versions"]) == {"python", "torch", "transformers", "gensim"}
    assert record["threads"] == torch.get_num_threads() and record["data"] == run.dataset.checksum
    assert not (run.folder / "training.pt").exists()


def test_a_run_is_made_once_and_instant_afterwards(run: Run, no_training: None) -> None:
    start = time.perf_counter()
    again = _get(run.experiment)
    assert time.perf_counter() - start < 2
    assert again.record == run.record and again.folder == run.folder
    assert runs.get_all([run.experiment] * 2, "cpu", quiet=True)[1].record == run.record


def test_numbers_are_shares_and_better_than_chance_where_that_is_possible(run: Run) -> None:
    numbers = run.test.numbers()
    assert all(0 <= value < 1 for value in numbers.values())
    assert numbers["t2i"] == numbers["t2i_rank"], "tags know one discount"


# Protocols and finding a run again


def test_protocols_agree_with_the_evaluation_and_are_read_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run.retrieval(["ndcg@500-released", "ndcg@500", "map"])
    assert list(found) == ["ndcg@500-released", "ndcg@500", "map"]
    torch.testing.assert_close(found["ndcg@500-released"].t2i, run.test.t2i, rtol=0, atol=1e-12)
    torch.testing.assert_close(found["ndcg@500"].i2t_random, run.test.i2t_random, rtol=0, atol=1e-12)
    assert 0 < found["map"].i2t.nanmean() < 1
    read = protocols.read
    asked: list[str] = []

    def watched(some: list[protocols.Protocol], *rest: object) -> list[Retrieval]:
        asked.extend(one.name for one in some)
        return read(some, *rest)

    monkeypatch.setattr(protocols, "read", watched)
    again = run.retrieval(["map", "recall@1", "ndcg@500"])
    assert asked == ["recall@1"], "the others are in their files"
    assert torch.equal(again["map"].t2i.nan_to_num(), found["map"].t2i.nan_to_num())


def test_protocols_are_read_again_by_other_code(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.retrieval(["recall@5"])
    monkeypatch.setattr(protocols, "read", None)  # so that reading once more would fail
    run.retrieval(["recall@5"])
    monkeypatch.setattr(keys, "retrieval_suffix", lambda _: ".other.retrieval")
    with pytest.raises(TypeError):
        run.retrieval(["recall@5"])


def test_other_rankings_evaluate_again_and_train_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, no_training: None
) -> None:
    before = run.test
    monkeypatch.setattr(keys, "evaluation_suffix", lambda _: ".other.evaluation")
    again = _get(run.experiment)
    monkeypatch.setattr(store.evaluation, "evaluate", lambda *_: replace(before, i2t=before.i2t + 1))
    assert torch.equal(again.test.i2t, before.i2t + 1)
    (run.folder / f"test-{run.experiment.dataset}.other.evaluation").unlink()


def test_a_run_is_trained_under_one_preset_and_read_under_another(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = {name: _plan(dataset="scenes-coco5k", preset=name).change(ranking=ranking, seed=5)
               for name, ranking in (("paper", "cosine"), ("released", "dot"))}  # fmt: skip
    paper = _get(planned["paper"])
    monkeypatch.setattr(training, "fit", lambda *_: pytest.fail("trained again"))
    assert store.missing(list(planned.values())) == []
    released = _get(planned["released"])
    assert released.folder == paper.folder and released.key == paper.key
    assert released.experiment.preset == "released" and released.experiment.ranking == "dot"
    assert not torch.equal(released.test.i2t, paper.test.i2t), "read by plain inner products"
    assert torch.equal(released.test.image_counts, paper.test.image_counts)
    assert torch.equal(_get(planned["paper"]).test.i2t, paper.test.i2t), "each in a file of its own"
    rows = {name: run.retrieval(["map"])["map"].i2t for name, run in (("paper", paper), ("released", released))}
    assert not torch.equal(rows["paper"].nan_to_num(), rows["released"].nan_to_num())
    # Cards say what was asked for.
    assert "| preset | released:" in released.card.read_text(
        encoding="utf-8"
    ) and "| preset | paper:" in paper.card.read_text(encoding="utf-8")
    assert f"{released.test.numbers()['i2t']:.4f}" in released.card.read_text(encoding="utf-8")
    assert released.card.parent.parent == paper.card.parent == paper.folder
    # So does what is found by its key, and what leaves as a model.
    assert runs.find(paper.key).experiment.preset == "paper"
    found = runs.find(paper.key, preset="released")
    assert (found.experiment.preset, found.experiment.text_queries) == ("released", "all")
    model = PretrainedModel.of_run(released, "cpu")
    assert model.config.experiment.ranking == "dot" and "| preset | released:" in model.documents["README.md"]
    assert model.fingerprint != PretrainedModel.of_run(paper, "cpu").fingerprint
    # The history is read in one way, whoever asked first.
    assert released.history == paper.history


def test_the_history_is_the_same_under_every_preset_that_trains_the_same(own_home: Path) -> None:
    histories = []
    for ranking in ("cosine", "dot"):
        run = _get(_plan(dataset="scenes-coco5k").change(ranking=ranking, gallery="texts"))
        histories.append(_timeless(run.history))
        shutil.rmtree(run.folder)
    assert histories[0] == histories[1]


def test_half_is_a_threshold_for_dscmr_and_for_cross_entropy_alone(run: Run) -> None:
    def means_something(method: str, **fields: object) -> bool:
        return replace(run, experiment=_plan(method, **fields)).half_means_something

    assert means_something("dscmr") and means_something("ours", label_loss="bce")
    assert means_something("independent", preset="released")
    assert not means_something("ours") and not means_something("independent")


def test_the_evaluation_is_read_from_its_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run.test

    def read_split(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(store.evaluation, "read_split", read_split)
    again = _get(run.experiment).test
    assert all(torch.equal(value, getattr(again, name)) for name, value in vars(first).items())


def test_thresholds_are_tuned_on_dev_with_the_kept_weights(run: Run) -> None:
    assert run.thresholds == Thresholds.tune(run.reading("dev"), run.dataset.parts["dev"])


def test_the_kept_network_is_in_evaluation_mode_and_says_what_was_read(run: Run) -> None:
    network = run.network()
    assert not network.training
    with torch.inference_mode():
        found = network("image", run.dataset.images("test", [0, 1])).embedding
    torch.testing.assert_close(found, run.reading("test").image[:2], rtol=1e-4, atol=1e-5)


def test_there_is_one_evaluation_an_epoch(run: Run) -> None:
    assert len(run.epochs) == 3
    scores = [tuple(epoch.numbers().values()) for epoch in run.epochs]
    assert len(set(scores)) == 3, "each epoch by its own weights"
    best = int(training.best_epoch(run.history)["epoch"])
    # The kept weights are the best epoch's, and so are its thresholds.
    for name, value in run.test.numbers().items():
        assert run.epochs[best - 1].numbers()[name] == pytest.approx(value, abs=1e-6), name


def test_epochs_of_a_run_that_kept_the_best_alone_is_a_user_error(run: Run) -> None:
    kept_best = replace(run, experiment=run.experiment.change(keep="best"), folder=run.folder / "elsewhere")
    with pytest.raises(UserError, match="keep"):
        kept_best.epochs  # noqa: B018 - reading it is the test


@pytest.mark.parametrize(
    ("damage", "rate"),  # a rate of its own gives each case a folder of its own
    [("no record", 3e-3), ("empty folder", 4e-3), ("half a state", 5e-3), ("files of another run", 6e-3)],
)
def test_a_damaged_folder_is_trained_again(damage: str, rate: float, run: Run) -> None:
    experiment = _plan(epochs=1, learning_rate=rate)
    first = _get(experiment)
    (first.folder / "run.json").unlink()
    if damage == "empty folder":
        shutil.rmtree(first.folder)
        first.folder.mkdir()
    elif damage == "half a state":
        (first.folder / "training.pt").write_bytes(b"PK\x03\x04 and no more")
    elif damage == "files of another run":
        shutil.copy(run.folder / training.BEST, first.folder / training.BEST)
        (first.folder / "run.part").write_text("{", encoding="utf-8")
    again = _get(experiment)
    assert _timeless(again.history) == _timeless(first.history)
    assert again.thresholds == first.thresholds
    assert json.loads((first.folder / "run.json").read_text(encoding="utf-8")) == again.record


def test_a_run_made_again_forgets_what_was_read_with_its_old_weights() -> None:
    experiment = _plan(epochs=1, learning_rate=8e-3)
    first = _get(experiment)
    numbers, precision = first.test.numbers(), first.retrieval(["map"])["map"].i2t.clone()  # it is mapped from the file
    (first.folder / "run.json").unlink()
    read = [
        path
        for path in first.folder.iterdir()
        if path.suffix in (".evaluation", ".retrieval") or "reading" in path.name
    ]
    assert len(read) == 3
    for path in read:
        path.write_bytes(b"of other weights")
    again = _get(experiment)
    assert not any(path.exists() for path in read)
    assert again.test.numbers() == numbers
    assert torch.equal(again.retrieval(["map"])["map"].i2t.nan_to_num(-1), precision.nan_to_num(-1))


# The methods through the store


def test_traditional_without_consistency_equals_independent_epoch_by_epoch() -> None:
    # Nothing is shared, so the summed loss trains each network alone.
    # A seed of this test's own: the book's kernels share the store and may train with more threads.
    fields = {"seed": 11, "epochs": 3, "keep": "every-epoch"}
    independent, traditional = _get(_plan("independent", **fields)), _get(_plan("traditional", eta=0, **fields))
    assert independent.folder != traditional.folder
    assert _timeless(independent.history) == _timeless(traditional.history)
    weights = [
        [load_file(training.epoch_checkpoint(run.folder, epoch)) for epoch in (1, 2, 3)]
        for run in (independent, traditional)
    ]
    for one, other in zip(*weights, strict=True):
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    for one, other in zip(independent.epochs, traditional.epochs, strict=True):
        assert all(torch.equal(value, getattr(other, name)) for name, value in vars(one).items()), "test reads the same"
    # What is kept differs by the rule alone: each modality's own best epoch, or the best mean of both.
    best = int(training.best_epoch(traditional.history)["epoch"]) - 1
    kept = load_file(traditional.folder / training.BEST)
    assert all(torch.equal(kept[name], weight) for name, weight in weights[1][best].items())
    assert all(
        torch.equal(value, getattr(traditional.epochs[best], name)) for name, value in vars(traditional.test).items()
    )
    kept = load_file(independent.folder / training.BEST)
    for modality in ("image", "text"):
        own = int(training.best_epoch(independent.history, modality)["epoch"]) - 1
        mine = {name: weight for name, weight in weights[1][own].items() if name.split(".")[1] == modality}
        assert mine and all(torch.equal(kept[name], weight) for name, weight in mine.items())
        counts = getattr(independent.test, f"{modality}_counts")
        assert torch.equal(counts, getattr(traditional.epochs[own], f"{modality}_counts"))
    # With the consistency loss they part.
    with_consistency = _get(_plan("traditional", seed=11, epochs=1))
    assert with_consistency.experiment.eta == 0.1
    assert with_consistency.history[0]["label_image"] != independent.history[0]["label_image"]


@pytest.fixture
def forty_test_images(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """COCO1K cut to 40 images: the smoke pool is smaller than 1,000."""
    entry = replace(catalogue.CATALOGUE["scenes-coco1k"], test_size=40)
    monkeypatch.setitem(catalogue.CATALOGUE, "scenes-coco1k", entry)
    catalogue.forget_loaded()
    yield 40
    catalogue.forget_loaded()


def test_coco1k_shares_the_run_of_coco5k(forty_test_images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _get(_plan("dscmr", "scenes-coco5k", epochs=1))
    monkeypatch.setattr(training, "fit", None)  # so that training once more would fail
    part = _get(_plan("dscmr", "scenes-coco1k", epochs=1))
    assert part.folder == whole.folder and part.record == whole.record
    assert len(whole.test.i2t) == 96 and len(whole.test.t2i) == 480
    assert len(part.test.i2t) == forty_test_images and len(part.test.t2i) == 5 * forty_test_images
    # The same items, the same scores; the smaller gallery gives other rankings, kept under another name.
    assert torch.equal(part.reading("test").image, whole.reading("test").image[:40])
    assert torch.equal(part.test.image_counts, whole.test.image_counts[:40])
    assert not torch.equal(part.test.i2t, whole.test.i2t[:40])
    assert part.test.numbers()["t2i"] > part.test.numbers()["t2i_rank"], "the released discount lifts scores"
    # COCO1K is the first images of COCO5K: a protocol of the whole split reads the same.
    monkeypatch.setattr(protocols, "FIRST", forty_test_images)
    first = whole.retrieval(["ndcg@500-released-first-1000"])["ndcg@500-released-first-1000"]
    torch.testing.assert_close(first.i2t[:forty_test_images], part.test.i2t, rtol=0, atol=1e-12)
    torch.testing.assert_close(first.t2i[: 5 * forty_test_images], part.test.t2i, rtol=0, atol=1e-12)
    # A random ranking has the discount of its protocol.
    both = whole.retrieval(["ndcg@500-released", "ndcg@500"])
    assert (both["ndcg@500-released"].t2i_random > both["ndcg@500"].t2i_random).any()
    torch.testing.assert_close(both["ndcg@500-released"].t2i, whole.test.t2i, rtol=0, atol=1e-12)
    torch.testing.assert_close(both["ndcg@500"].t2i_random, whole.test.t2i_random, rtol=0, atol=1e-12)


def test_a_run_is_the_same_wherever_its_tokenizer_lies(run: Run) -> None:
    """What the tokenizer holds is in the data's checksum."""
    assert store._holds(run.folder, run.experiment.change(tokens="/somewhere/else"))


def test_a_thinned_experiment_reads_thinned_data(run: Run) -> None:
    whole = run.dataset
    thinned = run.experiment.change(missing_regions=0.5, missing_words=0.5, train_items=9)
    thin = replace(run, experiment=thinned).dataset
    assert thin.parts["train"].image_ids == whole.parts["train"].image_ids[:9]
    for split in ("train", "dev", "test"):
        whole_words = sum(map(len, whole.parts[split].words[:9]))
        assert sum(map(len, thin.parts[split].words[:9])) < whole_words, split
        assert thin.images(split, range(9)).mask.sum() < whole.images(split, range(9)).mask.sum(), split


@pytest.mark.parametrize("method", methods.METHODS)
def test_every_method_trains_as_released(method: str) -> None:
    released = _get(_plan(method, "scenes-coco5k", preset="released", epochs=1))
    assert released.experiment.preset == "released"
    numbers = released.test.numbers()
    assert all(0 < value < 1 for name, value in numbers.items() if not name.endswith("at_half"))  # there F1 may be 0


# Two processes

_ASK = """
import json, sys
from semshare import runs
run = runs.get(runs.plan("scenes-flickr25k", "dscmr", "smoke", "cpu", **json.loads(sys.argv[1])), "cpu")
print(json.dumps(run.record))
"""


def test_two_processes_that_ask_for_one_run_train_it_once(run: Run) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(semshare.__file__).parent.parent),
        "OMP_NUM_THREADS": "1",
    }
    fields = json.dumps({**FIXED, "learning_rate": 7e-4})
    command = [sys.executable, "-c", _ASK, fields]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment}
    asked = [subprocess.Popen(command, **pipes) for _ in range(2)]
    answers = [process.communicate(timeout=240) for process in asked]
    assert [process.returncode for process in asked] == [0, 0], answers
    records = [json.loads(out) for out, _ in answers]
    assert records[0] == records[1] and len(records[0]["history"]) == 2
    epochs = [sum(": epoch " in line for line in errors.splitlines()) for _, errors in answers]
    assert sorted(epochs) == [0, 2], "one of the two trained, the other waited"


@pytest.mark.parametrize("method", methods.METHODS)
def test_every_method_can_be_planned_and_its_network_built(method: str, run: Run) -> None:
    experiment = _plan(method)
    network = methods.get(method).network(experiment, run.dataset)
    build: Callable[..., object] = network.__call__
    with torch.inference_mode():
        output = build("text", run.dataset.texts("test", [0, 1]))
    assert output.scores.shape == (2, 24) and output.embedding.shape[0] == 2
