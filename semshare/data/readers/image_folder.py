"""A folder of pictures for each class, as torchvision's ImageFolder reads it, with captions in side files.

::

    dog/1.jpg  dog/1.txt  cat/2.jpg  cat/2.txt
    train/dog/1.jpg  dev/dog/3.jpg  test/cat/4.jpg      (or with splits; val and valid mean dev)

The name of the class's folder is the label. ``1.txt`` beside ``1.jpg`` holds its texts, one a line.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from semshare.data.files import name_few, pool_digest, shorten
from semshare.data.pictures import NoPictureError, check_is_picture
from semshare.data.readers import splits
from semshare.data.readers.whole import Whole
from semshare.data.source import SPLITS, FileSource, Item, Split
from semshare.errors import UserError
from semshare.utils.counts import counted
from semshare.utils.text_files import read_lines
from semshare.utils.texts import composed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from semshare.data.about import Status


class ImageFolderSource(FileSource):
    """The pictures of a folder that has a folder for each class.

    Every picture is read to its end and every side file looked at before anything is made. What is a picture is told
    by its content, whatever its name ends in.

    Attributes:
        notes: how many files beside texts are no pictures, and what lies where no class's pictures are looked for, the
            first few named.
    """

    name = "image-folder"
    status: Status = "own"
    text_kind: Literal["tags", "captions"] = "captions"
    attribution = "Your own collection: its pictures and texts keep the licence they have."

    def __init__(self, root: Path, split_seed: int = 0) -> None:
        """Read and check every picture and text under ``root``.

        Args:
            root: the folder of the classes' folders, or of splits that hold them.
            split_seed: the seed of the split, where there are no folders of splits.

        Raises:
            UserError: pictures without a text or that cannot be read, a split without pictures: the first 20, by file.
        """
        self.root = Path(root)
        given = _splits(self.root)
        self._files, faults = {}, []
        pictures: list[tuple[str, tuple[str, ...], str, Split]] = []
        others: list[str] = []
        for split, folder in given.items() if given else [("train", self.root)]:
            for label, path in _files(folder):
                if not _is_picture(path):
                    others.append(path.relative_to(self.root).as_posix())
                    continue
                id = path.relative_to(self.root).as_posix()
                texts, fault = _texts(path)
                faults += [f"{self.root / fault[0]}: {fault[1]}"] if fault else []
                self._files[id] = path
                pictures.append((id, texts, composed(label), split))
        numbered = dict(enumerate(self._files.values()))
        whole = Whole(self.root)
        faults += [f"{numbered[number]}: {reason}" for number, reason in whole.faults(numbered).items()]
        if faults:
            raise UserError("\n".join(shorten(faults, "mistakes")))
        if missing := [name for name in SPLITS if given and name not in {split for *_, split in pictures}]:
            raise UserError(f"{self.root}: no picture in {missing[0]!r}, expected pictures in train, dev and test")
        if len(pictures) < 3:
            raise UserError(
                f"{self.root}: {len(pictures)} pictures, expected at least 3: one for train, dev and test each"
            )
        whole.remember()
        fifth = max(1, len(pictures) // 5)
        chosen = {} if given else splits.split_ids(self._files, split_seed, fifth, fifth)
        self._items = [Item(id, texts, (label,), chosen.get(id, split)) for id, texts, label, split in pictures]
        self.label_names = tuple(sorted({label for _, _, label, _ in pictures}))
        self.pool = f"folder-{pool_digest(self._files)}"
        homeless, deeper = _unseen(self.root, list(given.values()) or [self.root])
        self.notes = (
            *_left_out(self.root, others, "file is no picture", "files are no pictures"),
            *_left_out(self.root, homeless, "picture lies in no class's folder", "pictures lie in no class's folder"),
            *_left_out(self.root, deeper, "folder lies in a class's folder", "folders lie in classes' folders"),
        )


def holds_classes(root: Path) -> bool:
    """Whether there is a picture in a folder of ``root``, or in a folder of a split's folder."""
    if not root.is_dir():
        return False
    folders = _splits(root).values() or [root]
    return any(_is_picture(path) for folder in folders for _, path in _files(folder))


def _splits(root: Path) -> dict[Split, Path]:
    """The folders of the splits; empty where the folders of ``root`` are classes.

    Raises:
        UserError: two folders that mean one split, or a class among the splits.
    """
    folders = _folders(root)
    named = {folder: split for folder in folders if (split := splits.meant(folder.name))}
    if len(set(named.values())) < 2:
        return {}
    if other := [folder for folder in folders if folder not in named]:
        raise UserError(
            f"{other[0]}: no split, but {next(iter(named)).name} beside it is; expected train, dev and test"
        )
    splits_at: dict[Split, Path] = {}
    for folder, split in named.items():
        if (first := splits_at.setdefault(split, folder)) != folder:
            raise UserError(f"{folder}: means the same split as {first.name}, expected one of them")
    if missing := [split for split in SPLITS if split not in splits_at]:
        raise UserError(f"{root}: no folder for {missing[0]}, expected train, dev and test")
    return {split: splits_at[split] for split in SPLITS}


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The class and the path of each file that is no text and not hidden."""
    for label in _folders(folder):
        for path in sorted(label.iterdir()):
            if path.suffix.lower() != ".txt" and not path.name.startswith(".") and not path.is_dir():
                yield label.name, path


def _unseen(root: Path, parents: list[Path]) -> tuple[list[str], list[str]]:
    """The pictures beside the classes' folders in ``root`` and ``parents``, and the folders inside the former."""
    beside = [path for parent in dict.fromkeys([root, *parents]) for path in sorted(parent.iterdir())]
    homeless = [path for path in beside if path.is_file() and not path.name.startswith(".") and _is_picture(path)]
    deeper = [below for parent in parents for label in _folders(parent) for below in _folders(label)]
    return (*([path.relative_to(root).as_posix() for path in paths] for paths in (homeless, deeper)),)


def _left_out(root: Path, names: list[str], one: str, many: str) -> list[str]:
    """A line that counts what was left out and names the first few; none where there is none."""
    return [f"{root}: {counted(len(names), one, many)}, left out: {name_few(names)}"] if names else []


def _is_picture(path: Path) -> bool:
    """Whether a file begins as a picture does, or is meant as one: a text stands beside it, or it cannot be read."""
    if path.with_suffix(".txt").is_file():
        return True
    try:
        check_is_picture(path)
    except NoPictureError:
        return False
    except UserError:
        return True
    return True


def _texts(picture: Path) -> tuple[tuple[str, ...], tuple[Path, str] | None]:
    """The texts of the file beside ``picture``, or what is wrong with it."""
    path = picture.with_suffix(".txt")
    try:
        texts = tuple(line.strip() for line in read_lines(path) if line.strip())
    except UserError as error:
        reason = str(error).removeprefix(f"{path}: ").removeprefix(f"{path}, ")
        return (), (path, f"{reason}, expected the texts of {picture.name}, one a line")
    return texts, None if texts else (path, f"empty, expected the texts of {picture.name}, one a line")
