"""The vocabulary of attributes: one code for each word of either language, and a near word for each typing error."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game.attributes import (
    VOCABULARY,
    AttributeRefused,
    find_attribute,
    known_attributes,
    nearest,
    read_attributes,
)

SLEEVE = find_attribute("sleeve")
COLOUR = find_attribute("colour")


@pytest.mark.parametrize("attribute", VOCABULARY, ids=lambda attribute: attribute.code)
def test_every_name_of_an_attribute_finds_it(attribute):
    for name in (attribute.code, attribute.zh, attribute.en, *attribute.also, f" {attribute.en.upper()} "):
        assert find_attribute(name) is attribute


@pytest.mark.parametrize("attribute", VOCABULARY, ids=lambda attribute: attribute.code)
def test_every_name_of_a_level_reads_as_its_code(attribute):
    for level in attribute.levels:
        for name in (level.code, level.zh, level.en, *level.also):
            assert attribute.read(name) == level.code
            assert attribute.level_label(level.code, "zh") == level.zh
            assert attribute.level_label(level.code, "en") == level.en


def test_no_word_means_two_things():
    for one, other in combinations(VOCABULARY, 2):
        assert not any(other.is_called(name) for name in (one.code, one.zh, one.en, *one.also)), (one.code, other.code)
    for attribute in VOCABULARY:
        for one, other in combinations(attribute.levels, 2):
            assert not any(other.is_called(name) for name in (one.code, one.zh, one.en, *one.also)), (one, other)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("袖常", "袖长"), ("顔色", "颜色"), ("colur", "colour"), ("neckine", "neckline"), ("面科", "面料")],
)
def test_a_typing_error_is_told_the_near_word(typed: str, meant: str):
    with pytest.raises(AttributeRefused) as refusal:
        find_attribute(typed)
    assert f'did you mean "{meant}"?' in str(refusal.value)
    assert meant in refusal.value.params["problem_zh"]


def test_a_closed_attribute_takes_its_levels_only_and_an_open_one_takes_any():
    with pytest.raises(AttributeRefused, match="use one of 无袖、短袖"):
        SLEEVE.read("披肩")
    assert COLOUR.read("薄荷绿") == "薄荷绿"


def test_declaring_adds_attributes_and_levels():
    known = known_attributes({"扣子": {"en": "Buttons", "levels": ["木", "贝"]}, "袖长": {"levels": ["披肩"]}})
    assert read_attributes({"扣子": "贝", "sleeve": "披肩"}, known) == (("sleeve", "披肩"), ("扣子", "贝"))
    with pytest.raises(AttributeRefused, match="金"):
        read_attributes({"扣子": "金"}, known)


@pytest.mark.parametrize(
    "declared",
    [
        {"": {}},
        {"x": 3},
        {"x": {"levls": []}},
        {"x": {"levels": "abc"}},
        {"x": {"levels": [1]}},
        {"x": {"kind": "date"}},
        {"x": {"kind": "number", "levels": ["a"]}},
        {"颜色": {"kind": "number"}},
    ],
)
def test_a_wrong_declaration_is_refused(declared):
    with pytest.raises(AttributeRefused):
        known_attributes(declared)


@given(st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=60), st.lists(st.integers())))
def test_no_value_does_worse_than_a_refusal(value):
    for attribute in VOCABULARY:
        try:
            read = attribute.read(value)
        except AttributeRefused:
            continue
        assert isinstance(read, float if attribute.kind == "number" else str)
        assert attribute.read(read) == read


@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=8))
def test_the_near_word_is_one_of_the_words(typed, names):
    assert nearest(typed, names) in [None, *names]


def test_attributes_stand_in_the_order_of_the_vocabulary_however_they_were_written():
    written = {"价格": "¥1,599.50", "领型": "V领", "颜色": "红"}
    assert read_attributes(written) == (("colour", "red"), ("neckline", "v-neck"), ("price", 1599.5))
