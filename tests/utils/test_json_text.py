"""JSON whose keys stand once."""

import pytest

from semshare.utils.json_text import parse_json


def test_json_is_read() -> None:
    assert parse_json('{"a": [1, {"b": null}], "c": "d"}') == {"a": [1, {"b": None}], "c": "d"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ('[{"b": {"a": 1, "a": 1}}]', "the key 'a' stands twice"),
        ("{", "not valid JSON: "),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_json(text)
