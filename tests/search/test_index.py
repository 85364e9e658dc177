"""The index: exact, brought up to date piece by piece, for one model alone, never half-written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest
import torch
from damage import every_damage, spoil
from safetensors.torch import save_file

from semshare.errors import UserError
from semshare.search import index as index_module
from semshare.search.index import Index, Owner, Piece

OWNER = Owner("Ours on drawings", "a" * 64, "image", "here")
SIZE, LABELS = 6, 3


class Encoder:
    """Gives every item a vector drawn from its name and version, and remembers what it was asked for."""

    def __init__(self, stamps: dict[str, str], broken: tuple[str, ...] = (), stop_after: int | None = None) -> None:
        self.stamps, self.broken, self.stop_after = stamps, broken, stop_after
        self.asked: list[str] = []

    def __call__(self, ids: list[str]) -> Iterator[Piece]:
        for start in range(0, len(ids), 2):
            if self.stop_after is not None and len(self.asked) >= self.stop_after:
                raise KeyboardInterrupt
            some = ids[start : start + 2]
            self.asked += some
            good = [id for id in some if id not in self.broken]
            vectors = torch.stack([vector(id, self.stamps[id]) for id in good]) if good else torch.empty(0, SIZE)
            yield Piece(good, vectors, vectors[:, :LABELS], {id: "broken" for id in some if id in self.broken})


def vector(id: str, stamp: str) -> torch.Tensor:
    seed = crc32(f"{id}/{stamp}".encode("utf-8", "surrogateescape"))
    return torch.randn(SIZE, generator=torch.Generator().manual_seed(seed))


def opened(folder: Path, owner: Owner = OWNER) -> Index:
    return Index.open(folder, owner, lambda line: pytest.fail(line))


def stamps(*names: str, **changed: str) -> dict[str, str]:
    return {name: "1" for name in names} | changed


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_search_ranks_as_plain_torch_does() -> None:
    items = stamps(*(f"item-{number:03d}" for number in range(300)))
    index = Index(OWNER, None)
    index.update(items, Encoder(items))
    queries = torch.randn(40, SIZE, generator=torch.Generator().manual_seed(1))
    gallery = torch.stack([vector(*one) for one in items.items()])
    similarity = queries @ gallery.T
    expected = similarity.sort(dim=1, descending=True)
    found, ids, scores = index.search(queries, 7)
    torch.testing.assert_close(found, expected.values[:, :7])
    assert ids == [[list(items)[row] for row in rows] for rows in expected.indices[:, :7].tolist()]
    assert torch.equal(scores, gallery[expected.indices[:, :7], :LABELS])
    assert [len(some) for some in index.search(queries[:2], 1000)[1]] == [300, 300]  # all, and no -1


def test_only_what_is_new_or_changed_is_encoded(tmp_path: Path) -> None:
    first = stamps("a", "b", "c", "d")
    assert opened(tmp_path / "i").update(first, Encoder(first)) == (4, 0)
    second = stamps("a", "aa", "d", b="2")  # c gone, aa new, b changed
    encoder = Encoder(second)
    assert opened(tmp_path / "i").update(second, encoder) == (2, 2)
    assert encoder.asked == ["aa", "b"]
    nothing = Encoder(second)
    before = contents(tmp_path / "i")
    assert opened(tmp_path / "i").update(second, nothing) == (0, 0)
    assert nothing.asked == [] and contents(tmp_path / "i") == before and len(before) == 3


def test_an_updated_index_equals_a_fresh_one(tmp_path: Path) -> None:
    for step in (stamps("m", "z"), stamps("a", "m", "q", "z"), stamps("a", "b", "z", m="2")):
        opened(tmp_path / "i").update(step, Encoder(step))
    fresh = Index(OWNER, None)
    fresh.update(step, Encoder(step))
    found = opened(tmp_path / "i")
    assert found.stamps == fresh.stamps == step
    assert torch.equal(found.vectors(), fresh.vectors()) and torch.equal(found.scores, fresh.scores)


def test_what_cannot_be_encoded_is_remembered_until_it_changes(tmp_path: Path) -> None:
    first = stamps("a", "b")
    opened(tmp_path / "i").update(first, Encoder(first, broken=("b",)))
    again = Encoder(first)
    index = opened(tmp_path / "i")
    index.update(first, again)
    assert again.asked == [] and list(index.stamps) == ["a"] and index.skipped == {"b": ("1", "broken")}
    mended = stamps("a", b="2")
    encoder = Encoder(mended)
    index.update(mended, encoder)
    assert encoder.asked == ["b"] and list(index.stamps) == ["a", "b"] and not index.skipped
    gone = stamps("a")
    index.update(stamps("a", c="x"), Encoder(stamps("a", c="x"), broken=("c",)))
    index.update(gone, Encoder(gone))
    assert not opened(tmp_path / "i").skipped


def test_an_interrupted_update_leaves_the_earlier_index(tmp_path: Path) -> None:
    first = stamps("a", "b")
    opened(tmp_path / "i").update(first, Encoder(first))
    before, second = contents(tmp_path / "i"), stamps("c", "d", "e", "f", b="2")
    with pytest.raises(KeyboardInterrupt):
        opened(tmp_path / "i").update(second, Encoder(second, stop_after=2))
    assert contents(tmp_path / "i") == before
    assert opened(tmp_path / "i").stamps == first


def test_a_long_build_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_SAVE_EVERY", -1.0)
    items = stamps("a", "b", "c", "d", "e")
    with pytest.raises(KeyboardInterrupt):
        opened(tmp_path / "i").update(items, Encoder(items, stop_after=4))
    rest = Encoder(items)
    index = opened(tmp_path / "i")
    assert list(index.stamps) == ["a", "b", "c", "d"]
    index.update(items, rest)
    assert rest.asked == ["e"] and index.stamps == items


def test_a_write_that_fails_leaves_the_earlier_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = stamps("a", "b")
    opened(tmp_path / "i").update(first, Encoder(first))
    before = contents(tmp_path / "i")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(index_module, "write_json", full)
    with pytest.raises(UserError, match="the index cannot be written: No space left"):
        opened(tmp_path / "i").update(stamps("a"), Encoder(stamps("a")))
    assert contents(tmp_path / "i") == before


@pytest.mark.parametrize("error", [UserError("the disk is full"), KeyboardInterrupt()])
def test_a_first_save_that_breaks_off_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    first = stamps("a", "b")
    with monkeypatch.context() as patch:
        patch.setattr(index_module, "write_json", broken)
        with pytest.raises(type(error)):
            opened(tmp_path / "i").update(first, Encoder(first))
    assert contents(tmp_path / "i") == {}


def test_what_a_killed_first_save_left_is_no_obstacle(tmp_path: Path) -> None:
    first = stamps("a", "b")
    opened(tmp_path / "i").update(first, Encoder(first))
    (tmp_path / "i" / "index.json").unlink()
    left = contents(tmp_path / "i").keys()
    index = opened(tmp_path / "i")
    assert len(index) == 0 and len(left) == 2
    index.update(first, Encoder(first))
    assert opened(tmp_path / "i").stamps == first
    assert not left & contents(tmp_path / "i").keys()


def test_the_index_of_another_collection_is_refused(tmp_path: Path) -> None:
    first = stamps("a")
    opened(tmp_path / "i").update(first, Encoder(first))
    with pytest.raises(UserError, match=r"index\.json: found the index of another collection; name another folder"):
        opened(tmp_path / "i", replace(OWNER, collection="there"))


def test_the_index_of_another_model_or_of_texts_is_refused(tmp_path: Path) -> None:
    first = stamps("a")
    opened(tmp_path / "i").update(first, Encoder(first))
    with pytest.raises(
        UserError, match=r"index\.json: model: found Ours on drawings \(a{12}\), expected Other \(b{12}\)"
    ):
        opened(tmp_path / "i", Owner("Other", "b" * 64, "image", "here"))
    with pytest.raises(UserError, match="found an index of images, expected one of texts"):
        opened(tmp_path / "i", replace(OWNER, modality="text"))


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match=r"holds something and no index\.json"):
        opened(tmp_path)
    with pytest.raises(UserError, match="expected an index or a new folder"):
        opened(tmp_path / "holiday.jpg")


@pytest.mark.parametrize(
    "damage", ["cut json", "no scores", "cut vectors", "an item less", "another kind", "not finite"]
)
def test_a_damaged_index_is_said_and_built_anew(damage: str, tmp_path: Path) -> None:
    items = stamps("a", "b", "c")
    opened(tmp_path).update(items, Encoder(items))
    content = json.loads((tmp_path / "index.json").read_text(encoding="utf-8"))
    vectors = tmp_path / content["files"]["vectors"]
    if damage == "cut json":
        (tmp_path / "index.json").write_text(
            (tmp_path / "index.json").read_text(encoding="utf-8")[:50], encoding="utf-8"
        )
    elif damage == "no scores":
        (tmp_path / content["files"]["scores"]).unlink()
    elif damage == "cut vectors":
        vectors.write_bytes(vectors.read_bytes()[:-9])
    elif damage == "an item less":
        del content["items"]["b"]
        (tmp_path / "index.json").write_text(json.dumps(content), encoding="utf-8")
    elif damage == "not finite":
        save_file({"vectors": torch.full((3, SIZE), torch.nan)}, vectors)
    else:
        save_file({"vectors": torch.zeros(3, SIZE, dtype=torch.float16)}, vectors)
    said: list[str] = []
    index = Index.open(tmp_path, OWNER, said.append)
    assert len(said) == 1 and "damaged" in said[0] and len(index) == 0
    encoder = Encoder(items)
    index.update(items, encoder)
    assert encoder.asked == ["a", "b", "c"] and opened(tmp_path).stamps == items and len(contents(tmp_path)) == 3


def test_what_is_not_finite_is_left_out_and_said(tmp_path: Path) -> None:
    """faiss answers -1 for a vector of NaN, which as a row is the last item's."""
    items = stamps("a", "b", "c", "d")

    def encode(ids: list[str]) -> Iterator[Piece]:
        vectors = torch.eye(4)[: len(ids)]
        vectors[1, 0], scores = torch.nan, torch.zeros(len(ids), LABELS)
        scores[2, 0] = torch.inf
        yield Piece(ids, vectors, scores, {})

    index = opened(tmp_path)
    index.update(items, encode)
    assert list(index.stamps) == ["a", "d"] and list(index.skipped) == ["b", "c"]
    assert all(reason == "the model's numbers for it are not finite" for _, reason in index.skipped.values())
    assert index.search(torch.eye(4)[3:], 5)[1] == [["d", "a"]]
    assert opened(tmp_path).skipped == index.skipped  # and it is not tried again until it changes


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_a_query_that_is_not_finite_is_refused(wrong: float) -> None:
    items = stamps("a", "b", "c")
    index = Index(OWNER, None)
    index.update(items, Encoder(items))
    queries = torch.zeros(2, SIZE)
    queries[1, 2] = wrong
    with pytest.raises(ValueError, match=r"queries: found (NaN|infinity), expected finite numbers"):
        index.search(queries, 2)


def test_queries_that_fit_nothing_are_refused() -> None:
    items = stamps("a", "b", "c")
    index = Index(OWNER, None)
    assert [len(part) for part in index.search(torch.zeros(2, SIZE), 3)] == [2, 2, 2]  # nothing to find
    index.update(items, Encoder(items))
    with pytest.raises(ValueError, match=r"queries: found shape \(2, 5\), expected \(any, 6\)"):
        index.search(torch.zeros(2, 5), 3)
    for top in (0, -1, 2.0, True):
        with pytest.raises(ValueError, match=f"top: found {top!r}, expected a whole number from 1"):
            index.search(torch.zeros(2, SIZE), top)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"queries: found up to 3\.0e\+38, too large"):
        index.search(torch.full((1, SIZE), 3e38) * vector("a", "1").sign().neg(), 3)
    found, ids, scores = index.search(torch.zeros(0, SIZE), 2)
    assert found.shape == (0, 2) and ids == [] and scores.shape == (0, 2, LABELS)


def test_names_that_are_no_utf8_survive(tmp_path: Path) -> None:
    items = stamps("caf\udce9.jpg", "\x1b[31m\n\u202e.jpg")
    opened(tmp_path / "i").update(items, Encoder({id: "1" for id in items}))
    assert opened(tmp_path / "i").stamps == items


@every_damage
@pytest.mark.parametrize("file", ["index.json", "vectors-*", "scores-*"])
def test_what_a_power_cut_leaves_is_said_and_built_anew(file: str, damage: str, tmp_path: Path) -> None:
    items, said = stamps("a", "b", "c"), []
    opened(tmp_path).update(items, Encoder(items))
    (path,) = tmp_path.glob(file)
    spoil(path, damage)
    index = Index.open(tmp_path, OWNER, said.append)
    assert len(index) == 0 and len(said) == 1 and "damaged" in said[0] and said[0].endswith("built anew")
    assert index.update(items, Encoder(items)) == (3, 0)
    assert len(opened(tmp_path)) == 3


def test_an_index_of_an_older_format_is_built_anew(tmp_path: Path) -> None:
    items = stamps("a", "b")
    opened(tmp_path).update(items, Encoder(items))
    content = json.loads((tmp_path / "index.json").read_text(encoding="utf-8"))
    (tmp_path / "index.json").write_text(json.dumps(content | {"format": 1}), encoding="utf-8")
    (tmp_path / "vectors-old.faiss").touch()
    said: list[str] = []
    index = Index.open(tmp_path, OWNER, said.append)
    assert len(index) == 0 and said == [f"{tmp_path / 'index.json'}: of an older format, built anew"]
    index.update(items, Encoder(items))
    assert len(contents(tmp_path)) == 3  # the older files are gone
