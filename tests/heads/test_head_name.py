"""Names of heads with settings behind a colon."""

from __future__ import annotations

import pytest

from histopress.core.errors import HeadError
from histopress.heads.catalogue import settings_of
from histopress.heads.head_name import HeadName, parse_head


def test_names_with_and_without_settings() -> None:
    assert parse_head("cnn") == HeadName("cnn")
    assert parse_head("cnn:published") == HeadName("cnn:published")
    assert parse_head("cnn:published:dropout=0.1") == HeadName("cnn:published", {"dropout": 0.1})
    assert parse_head("cnn:width=64, blocks=3") == HeadName("cnn", {"width": 64, "blocks": 3})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cnm", "no head 'cnm'; did you mean cnn"),
        ("cnn:wide=3", "'wide' cannot be set; can be set, each once: width="),
        ("cnn:width=3,width=4", "'width' is set twice"),
        ("cnn:width=broad", "width is 'broad', expected a whole number"),
        ("cnn:dropout=much", "dropout is 'much', expected a number"),
    ],
)
def test_what_cannot_be_set_is_told(text: str, expected: str) -> None:
    with pytest.raises(HeadError, match=expected):
        parse_head(text)


def test_defaults_are_those_of_the_class() -> None:
    assert settings_of("cnn")["dropout"] == 0.2
