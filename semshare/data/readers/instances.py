"""COCO's instances files: which pictures there are, where each lies, and which labels it has."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semshare.data.files import find_pictures, last_part, moved_notes, name_few
from semshare.data.readers import splits
from semshare.data.readers.records import read_sections
from semshare.errors import UserError
from semshare.utils.counts import counted
from semshare.utils.texts import composed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from semshare.data.readers.records import Records

LAYOUT = "COCO's official layout"
_LARGEST = 1e6  # pixels of a side; above it a size is none
_NO_GROUP = ("", "none")  # how tools write that a category has no super-category
Key = tuple[int, str]  # a picture's id, and the split whose file lists it


def slim(record: dict[str, Any]) -> dict[str, Any]:
    """An annotation without its outline and box: nine tenths of an instances file, and of no use here."""
    record.pop("segmentation", None)
    record.pop("bbox", None)
    return record


def official_files(root: Path, pattern: str = "instances_*.json") -> dict[str, Path]:
    """COCO's own instances files of ``root``, by the splits' names.

    Raises:
        UserError: there is none.
    """
    folder = root / "annotations"
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise UserError(f"{folder}: no {pattern} here, expected {LAYOUT}")
    return {path.stem.removeprefix("instances_"): path for path in paths}


class Instances:
    """What the instances files of a folder say; pictures are sought by the names that the files give.

    Ids may begin anew in each file: a picture is its id in its split. The same picture in two files, by id and name,
    is one picture; so is one listed twice in the same words.

    Attributes:
        folder: the one that holds the files.
        names: the ``file_name`` of each picture, or its ``coco_url`` where the files give no name (LVIS).
        paths: where each picture lies; those that are not here are left out.
        sizes: width and height of each picture, in pixels, where the files give them.
        labels: the category ids of each picture.
        pictures: how many pictures each split lists.
        label_names: the categories' names in ascending id.
        supercategories: a label's super-category; empty where a category has none.
        notes: what was left out or taken as one, one line each.
    """

    def __init__(self, root: Path, files: Mapping[str, Path]) -> None:
        """Read ``files``, each by the name of its split, of pictures in ``root``.

        Raises:
            UserError: a file that cannot be used; the message names it and a record in it.
        """
        self._files = files
        self.folder = Path(os.path.commonpath([path.parent for path in files.values()]))
        self.names: dict[Key, str] = {}
        self.paths: dict[Key, Path] = {}
        self.sizes: dict[Key, tuple[float, float]] = {}
        self.labels: defaultdict[Key, set[int]] = defaultdict(set)
        self.pictures: dict[str, int] = {}
        self.notes: list[str] = []
        self._same: dict[Key, Key] = {}  # of a picture in a second file, what it is called by the first
        self._categories: dict[int, tuple[str, str, str]] = {}  # name, super-category, where they stand
        used: list[tuple[str, list[int], list[int]]] = []
        for split, path in files.items():
            images, annotations, categories = read_sections(path, ("images", "annotations", "categories"), LAYOUT, slim)
            self.pictures[split] = len(images)
            self._read_categories(categories)
            self._read_images(images, split)
            used.append((split, annotations.column("image_id", int), annotations.column("category_id", int)))
        self._find(root)
        unlisted = 0
        for path, (split, images, ids) in zip(files.values(), used, strict=True):
            for row, (image, category) in enumerate(zip(images, ids, strict=True)):
                if category not in self._categories:
                    raise UserError(f"{path}: annotations[{row}].category_id is {category}, which no file lists")
                if (key := self.key(image, split)) in self.names:
                    self.labels[key].add(category)
                else:
                    unlisted += 1
        if unlisted:
            self.notes.append(f"{self.folder}: {unlisted:,} annotations of pictures that no 'images' lists, left out")
        self._name_labels({category for _, _, ids in used for category in ids})

    def key(self, id: int, split: str) -> Key:
        """The picture that ``split`` calls ``id``."""
        return self._same.get((id, split), (id, split))

    def names_of(self, key: Key) -> tuple[str, ...]:
        """The labels of a picture, in ascending category id."""
        return tuple(self._categories[id][0] for id in sorted(self.labels.get(key, ())))

    def by_id(self) -> dict[int, Key]:
        """Each picture by its id alone.

        Raises:
            UserError: two pictures of one id.
        """
        keys: dict[int, Key] = {}
        for id, split in self.names:
            if (first := keys.setdefault(id, (id, split))) != (id, split):
                where, other = (self._files[name].relative_to(self.folder) for name in (first[1], split))
                raise UserError(
                    f"{self.folder}: image id {id} is {self.names[first]!r} in {where} and {self.names[id, split]!r} "
                    f"in {other}, expected one picture for each id"
                )
        return keys

    def _read_categories(self, categories: Records) -> None:
        ids, names = categories.column("id", int), categories.column("name", str)
        groups = categories.column("supercategory", str, missing="")
        for row, (id, name, above) in enumerate(zip(ids, names, groups, strict=True)):
            new = (composed(name.strip()), composed(above.strip()), categories.at(row).removeprefix(f"{self.folder}/"))
            if not new[0]:
                raise UserError(f"{categories.at(row, 'name')} is {name!r}, expected the name of a label")
            old = self._categories.setdefault(id, new)
            for field, was, now in zip(("name", "supercategory"), old, new, strict=False):
                if was != now:
                    raise UserError(
                        f"{categories.at(row, field)} is {now!r}, but {was!r} in {old[2]}, "
                        f"expected one {field} for category id {id}"
                    )

    def _read_images(self, images: Records, split: str) -> None:
        places: dict[int, int] = {}
        by_address = all(
            isinstance(record, dict) and "file_name" not in record and "coco_url" in record for record in images.content
        )
        names = images.column("coco_url" if by_address and len(images) else "file_name", str)
        for row, (id, name) in enumerate(zip(images.column("id", int), names, strict=True)):
            first = places.setdefault(id, row)
            if first != row and name != self.names[id, split]:
                raise UserError(
                    f"{images.at(row, 'id')} is {id} ({name[:60]!r}), as images[{first}] "
                    f"({self.names[id, split][:60]!r}), expected another id for each picture"
                )
            self.names[id, split] = name
            sides = (images.content[row].get("width"), images.content[row].get("height"))
            if all(type(side) in (int, float) and 0 < side < _LARGEST for side in sides):
                self.sizes[id, split] = sides
        if again := len(images) - len(places):
            self.notes.append(
                f"{images.path}: {counted(again, 'picture is', 'pictures are')} listed again, counted once"
            )

    def _find(self, root: Path) -> None:
        """Find the pictures' files, and those listed in two splits."""
        places: defaultdict[Path, list[Key]] = defaultdict(list)
        for key in self.names:
            places[_pictures_of(root, key[1])].append(key)
        # Splits with a folder of their own come first: what is theirs is no picture of a split that has none.
        for folder, keys in sorted(places.items(), key=lambda group: group[0] == root):
            paths = find_pictures(folder, [self.names[key] for key in keys])
            taken = {path for key, path in self.paths.items() if splits.meant(key[1])}
            for key, path in zip(keys, paths, strict=True):
                if path is not None and not (splits.meant(key[1]) and path in taken):
                    self.paths[key] = path
        self.notes += moved_notes(root, [(self.names[key], path) for key, path in self.paths.items()])
        by_id: defaultdict[int, list[Key]] = defaultdict(list)
        for key in self.names:
            by_id[key[0]].append(key)
        for keys in by_id.values():
            for key in keys[1:]:
                if first := next(
                    (other for other in keys if other not in self._same and self._is_same(other, key)), None
                ):
                    self._same[key] = first
        for key, first in self._same.items():
            path = self.paths.pop(key, None)
            if path is not None:
                self.paths.setdefault(first, path)
            del self.names[key]
        if self._same:
            twice = name_few([f"{id} of {split}" for id, split in self._same])
            self.notes.append(
                f"{self.folder}: {counted(len(self._same), 'picture is', 'pictures are')} in a file before too: {twice}"
            )
        owner: dict[Path, Key] = {}
        for key, path in self.paths.items():
            if (first := owner.setdefault(path, key)) != key:
                raise UserError(
                    f"{self.folder}: {path.name!r} is image {first[0]} of {first[1]} and image {key[0]} of {key[1]}, "
                    "expected one id for each picture (it could stand in train and in test); remove one of them"
                )

    def _is_same(self, first: Key, other: Key) -> bool:
        """Whether two pictures of one id are one: a single file, or one name where a file is missing."""
        if first == other or last_part(self.names[first]) != last_part(self.names[other]):
            return False
        if first in self.paths and other in self.paths:
            return self.paths[first] == self.paths[other]
        # Train, val and test are apart, whatever ids and names they begin anew with.
        return len({splits.meant(split) for _, split in (first, other)} - {None}) < 2

    def _name_labels(self, used: set[int]) -> None:
        """Name the labels, without the root that labelling tools put above them."""
        above = {id: {i for i, (_, sup, _) in self._categories.items() if sup == name and i != id}
                 for id, (name, _, _) in self._categories.items() if id not in used}  # fmt: skip
        for id in (id for id, below in above.items() if below):
            name = self._categories.pop(id)[0]
            self.notes.append(
                f"{self.folder}: category {id} {name!r} is no label: no annotation uses it, and it is the "
                f"supercategory of {len(above[id]):,} others"
            )
        ids: dict[str, int] = {}
        for id in sorted(self._categories):
            name, _, where = self._categories[id]
            if (first := ids.setdefault(name, id)) != id:
                raise UserError(
                    f"{self.folder}/{where}.name is {name!r}, as that of category {first}; expected another name for "
                    f"each category id: give one of {first} and {id} another name, or merge them"
                )
        self.label_names = tuple(ids)
        groups = {name: self._categories[id][1] for name, id in ids.items()}
        bare = [name for name, group in groups.items() if group.lower() in _NO_GROUP]
        self.supercategories = {} if bare else groups
        if 0 < len(bare) < len(groups):
            self.notes.append(
                f"{self.folder}: {len(bare):,} of {len(groups):,} categories have no supercategory, so that none is "
                f"used: {name_few(bare)}"
            )


class InstancesById:
    """:class:`Instances` of files that give no id twice: pictures are known by their id alone.

    Attributes:
        names: the ``file_name`` of each picture.
        paths: where each picture lies; those that are not here are left out.
        sizes: width and height of each picture, in pixels, where the files give them.
        splits: how many pictures each split lists.
        label_names: the categories' names in ascending id.
        supercategories: a label's super-category.
        notes: what was left out or taken as one, one line each.
    """

    def __init__(self, root: Path, files: Mapping[str, Path]) -> None:
        """As :class:`Instances`; raises :class:`UserError` for two pictures of one id as well."""
        self._instances = Instances(root, files)
        self._keys = self._instances.by_id()
        self.names = {id: self._instances.names[key] for id, key in self._keys.items()}
        paths, sizes = self._instances.paths, self._instances.sizes
        self.paths = {id: paths[key] for id, key in self._keys.items() if key in paths}
        self.sizes = {id: sizes[key] for id, key in self._keys.items() if key in sizes}
        self.splits = self._instances.pictures
        self.label_names, self.supercategories = self._instances.label_names, self._instances.supercategories
        self.notes = self._instances.notes

    def names_of(self, id: int) -> tuple[str, ...]:
        """The labels of a picture, in ascending category id."""
        return self._instances.names_of(self._keys[id]) if id in self._keys else ()


def read_captions(path: Path) -> list[tuple[int, str]]:
    """The captions of a file in its order, blank ones left out, each with its picture's id; raises ``UserError``."""
    _, annotations = read_sections(path, ("images", "annotations"), LAYOUT)
    captions = zip(annotations.column("image_id", int), annotations.column("caption", str), strict=True)
    return [(id, caption) for id, caption in captions if caption.strip()]


def _pictures_of(root: Path, split: str) -> Path:
    """The folder of a split's pictures: its own, else all of ``root``."""
    return next((folder for folder in (root / split, root / "images" / split) if folder.is_dir()), root)
