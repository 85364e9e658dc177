"""Super-categories of labels, from a small file beside a collection.

``supercategories.yaml`` (or ``.yml``, ``.json``) names groups, each with its labels; every label stands in one::

    animal: [dog, cat]
    vehicle: [car, boat]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from semshare.data.files import name_few
from semshare.errors import UserError
from semshare.utils.files import in_brief, read_yaml
from semshare.utils.texts import composed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_STEM = "supercategories"
_ENDINGS = (".yaml", ".yml", ".json")


def supercategories_beside(folder: Path, label_names: Sequence[str]) -> dict[str, str]:
    """The super-category of each label, as a file in ``folder`` says; empty where there is no such file.

    Raises:
        UserError: two such files, one that is no mapping of groups to labels, or labels that are unknown, in two groups
            or in none.
    """
    paths = [folder / f"{_STEM}{ending}" for ending in _ENDINGS if (folder / f"{_STEM}{ending}").is_file()]
    if not paths:
        return {}
    if len(paths) > 1:
        raise UserError(f"{paths[1]}: {paths[0].name} is here too, expected one of them")
    path = paths[0]
    content = read_yaml(path)  # JSON is YAML
    if not isinstance(content, dict) or not content:
        raise UserError(f"{path}: found {in_brief(content)}, expected groups, each with a list of labels")
    above: dict[str, str] = {}
    for group, labels in content.items():
        where = f"{path}: {group[:60]}"
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise UserError(f"{where}: found {in_brief(labels)}, expected a list of labels")
        for label in map(composed, labels):
            if label not in label_names:
                raise UserError(f"{where}: {label[:60]!r} is no label here, expected {name_few(label_names)}")
            if label in above:
                raise UserError(f"{where}: {label!r} is in {above[label][:60]!r} already, expected one group each")
            above[label] = composed(group)
    if missing := [label for label in label_names if label not in above]:
        raise UserError(f"{path}: labels in no group: {name_few(missing)}; expected every label in one")
    return above
