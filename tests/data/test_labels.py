"""Labels beside the pictures they are learnt from."""

from __future__ import annotations

import pytest

from semshare.data.labels import check_labels, unlearnt_notes
from semshare.data.source import Item
from semshare.errors import UserError


def test_a_label_in_two_unicode_forms_has_one_column() -> None:
    check_labels("mine", ("caf\u00e9", "cafe", "dog"))
    for names in (("caf\u00e9", "cafe\u0301"), ("caf\u00e9", "caf\u00e9")):
        with pytest.raises(UserError, match="mine: label 'café' has 2 columns, expected one"):
            check_labels("mine", names)


def test_labels_without_a_picture_to_train_on_are_counted_and_the_first_are_named() -> None:
    items = [Item("1", ("a",), ("cat", "dog"), "train"), Item("2", ("a",), ("cat", "emu"), "test")]
    assert unlearnt_notes(items, ("cat", "dog")) == []
    (note,) = unlearnt_notes(items, ("ant", "bee", "cat", "dog", "emu", "fox"))
    assert note == "4 of 6 labels have no picture to train on, no method can learn them: ant, bee, emu ... and 1 more"
