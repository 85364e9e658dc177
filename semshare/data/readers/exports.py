"""What labelling tools export in COCO's format: where each tool puts its files, and texts from a field that is named.

::

    annotations/instances_train2017.json    COCO; CVAT's is instances_default.json, its pictures lie in images/default/
    annotations/lvis_v1_train.json          LVIS, also beside the pictures; its captions are COCO's captions_*.json
    train/_annotations.coco.json            Roboflow, with the pictures beside it; valid/ and test/ likewise
    result.json                             Label Studio, with the pictures in images/

Any other such file is given by its own path. Texts come from ``captions_*.json`` beside the annotations, or from the
field of the images or of the annotations that is named: ``caption``, ``attributes.caption``, ``images.extra.note``.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from semshare.data.files import name_few
from semshare.data.readers.instances import LAYOUT, slim
from semshare.data.readers.records import in_words, is_text, read_sections
from semshare.errors import UserError
from semshare.utils.files import check_listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from semshare.data.readers.records import Records

_ROBOFLOW = "_annotations.coco.json"
_LABEL_STUDIO = ("result.json", "result_coco.json")
_OWNERS = {"images": "id", "annotations": "image_id"}  # the field that names a record's picture
_NO_TEXTS = {"file_name", "coco_url", "flickr_url", "date_captured", "iscrowd"}
_LOOKED_AT = 200  # records whose fields are listed in a message


def annotation_files(root: Path) -> dict[str, Path]:
    """The files of annotations at ``root``, each by the name of its split; empty where none of the layouts is there.

    Raises:
        UserError: a folder called annotations that cannot be listed.
    """
    if root.is_file():
        return {_split_name(root): root} if root.suffix.lower() == ".json" else {}
    if (root / "annotations").is_dir():
        check_listed(root / "annotations")
    for pattern in ("annotations/instances_*.json", "annotations/lvis_*.json", "lvis_*.json"):
        if paths := sorted(root.glob(pattern)):
            return {_split_name(path): path for path in paths}
    if paths := sorted(root.glob(f"*/{_ROBOFLOW}")):
        return {path.parent.name: path for path in paths}
    names = (_ROBOFLOW, *_LABEL_STUDIO)
    return next(({_split_name(root / name): root / name} for name in names if (root / name).is_file()), {})


def picture_folder(root: Path) -> Path:
    """The folder in and below which the pictures of the annotations at ``root`` are looked for."""
    if root.is_dir():
        return root
    return root.parent.parent if root.parent.name == "annotations" else root.parent


def caption_files(files: Mapping[str, Path]) -> tuple[dict[str, Path], list[Path]]:
    """The files of captions beside those of annotations: of each split, else all there are, read by picture id."""
    named = {split: path.with_name(f"captions_{split}.json") for split, path in files.items()}
    if any(path.exists() for path in named.values()):
        return named, []
    return {}, sorted({other for path in files.values() for other in path.parent.glob("captions_*.json")})


def named_texts(files: Mapping[str, Path], field: str) -> dict[str, list[tuple[int, str]]]:
    """The texts in the field called ``field`` of each split, each with its picture's id.

    A record may lack the field, or have nothing in it; a list gives several texts.

    Raises:
        UserError: no record has the field, images as well as annotations have it, or a value is no text.
    """
    records = {split: _records(path) for split, path in files.items()}
    section, _, rest = field.partition(".")
    sections = (section,) if section in _OWNERS and rest else tuple(_OWNERS)
    parts = (rest if len(sections) == 1 else field).split(".")
    here = [name for name in sections if any(_has(of[name], parts) for of in records.values())]
    if not here:
        raise UserError(f"field: texts: no record has {field!r}, expected a field that holds texts{_there(records)}")
    if len(here) > 1:
        both = " or ".join(f"{name}.{field}" for name in here)
        raise UserError(f"field: texts: images and annotations have {field!r}, expected {both}")
    return {split: list(_texts(of[here[0]], parts)) for split, of in records.items()}


def no_texts(files: Mapping[str, Path]) -> UserError:
    """What to say where there are annotations without captions: which fields could hold them."""
    records = {split: _records(path) for split, path in files.items()}
    folder = next(iter(files.values())).parent
    return UserError(
        f"{folder}: captions_*.json: missing, expected {LAYOUT}, or a field that holds the texts, named with "
        f"--field texts=FIELD{_there(records)}"
    )


def _records(path: Path) -> dict[str, Records]:
    return dict(zip(_OWNERS, read_sections(path, tuple(_OWNERS), LAYOUT, slim), strict=True))


def _split_name(path: Path) -> str:
    return path.stem.removeprefix("instances_").removesuffix(".coco").strip("_")


def _value(record: Any, parts: list[str]) -> Any:
    """What a record has where ``parts`` lead; several of them may be one key with dots in it."""
    while parts and isinstance(record, dict):
        count = len(parts)
        while count and record.get(key := ".".join(parts[:count])) is None:
            count -= 1
        if not count:
            return None
        record, parts = record[key], parts[count:]
    return None if parts else record


def _has(records: Records, parts: list[str]) -> bool:
    return any(_value(record, parts) is not None for record in records.content)


def _texts(records: Records, parts: list[str]) -> Iterator[tuple[int, str]]:
    owners = records.column(_OWNERS[records.section], int)
    for row, (owner, record) in enumerate(zip(owners, records.content, strict=True)):
        value = _value(record, parts)
        listed = value if isinstance(value, list) else [value]
        for text in listed:
            if text is None:
                continue
            if not isinstance(text, str) or not is_text(text):
                where = records.at(row, ".".join(parts))
                raise UserError(f"{where} is {in_words(text)}, expected a text or a list of texts")
            if text.strip():
                yield owner, text.strip()


def _there(records: Mapping[str, Mapping[str, Records]]) -> str:
    """Which fields hold texts, for a message."""
    names: dict[str, None] = {}
    for of in records.values():
        for section, own in of.items():
            for record in islice(own.content, _LOOKED_AT):
                names |= dict.fromkeys(f"{section}.{name}" for name in _text_fields(record))
    return f"; texts are in {name_few(list(names))}" if names else "; no field holds a text"


def _text_fields(record: Any) -> Iterator[str]:
    """The fields of a record, and of the objects in it, that hold a text or a list of texts."""
    waiting = [("", record)]  # a record may be nested deeper than a function may call itself
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            inner = ((f"{name}.{key}" if name else key, own) for key, own in value.items() if key not in _NO_TEXTS)
            waiting += reversed(list(inner))
            continue
        listed = value if isinstance(value, list) and value else [value]
        if name and all(isinstance(value, str) for value in listed):
            yield name
