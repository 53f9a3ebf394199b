"""Files of votes and of styles: what is read, and that whatever is wrong is told with its line."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.files.csv_text import BadFile
from server.files.styles_csv import read_styles
from server.files.votes_csv import CHOICES, _read_slowly, read_votes

few = settings(max_examples=150 if os.environ.get("XUANKUAN_DEEP") else 20, deadline=None)

HEADER = "voter,left,right,choice\n"


def a_file(folder: Path, text: str | bytes, name: str = "votes.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_columns_stand_in_any_order_and_names_are_any_text(tmp_path: Path) -> None:
    votes = read_votes(a_file(tmp_path, 'choice,other,right,left\nleft,x,"裙, 白",红裙\ntie,y,红裙,"a ""b"""\n'))
    assert votes.styles == ('a "b"', "红裙", "裙, 白")
    assert [votes.styles[k] for k in votes.left] == ["红裙", 'a "b"']
    assert [votes.styles[k] for k in votes.right] == ["裙, 白", "红裙"]
    assert votes.choice.tolist() == [1.0, 0.5]
    assert votes.voter is None
    assert len(votes) == 2


def test_the_four_answers_are_four_numbers_in_any_case_and_with_blanks(tmp_path: Path) -> None:
    votes = read_votes(a_file(tmp_path, "left,right,choice\na,b,Left\na, b , right\nb,a,TIE\na,b,neither \n"))
    assert votes.choice.tolist() == [1.0, 0.0, 0.5, -1.0]
    assert votes.styles == ("a", "b")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_files_of_chinese_programs_are_read(tmp_path: Path, encoding: str, end: str) -> None:
    text = end.join(["left,right,choice,voter", "红裙,白裙,left,甲", "白裙,蓝裙,right,乙", "红裙,蓝裙,neither,甲", ""])
    votes = read_votes(a_file(tmp_path, text.encode(encoding)))
    assert set(votes.styles) == {"红裙", "白裙", "蓝裙"}
    assert votes.voter is not None
    assert set(votes.voter.names) == {"甲", "乙"}
    assert votes.choice.tolist() == [1.0, 0.0, -1.0]


def test_every_optional_column_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    text = (
        "left,right,choice,voter,segment,took_ms,at,weight,session,device,address\n"
        "a,b,left,v1,north,1200,2026-03-01T08:30:00Z,1,s1,d1,1.2.3.4\n"
        "b,a,right,v2,south,,2026-03-01T16:30:10+08:00,0.5,,d1,\n"
    )
    also = ("voter", "segment", "took_ms", "at", "weight", "session", "device", "address")
    votes = read_votes(a_file(tmp_path, text), also=also)
    assert votes.weight.tolist() == [1.0, 0.5]
    assert votes.took_ms[0] == 1200.0
    assert np.isnan(votes.took_ms[1])
    assert votes.at[1] - votes.at[0] == 10.0
    assert votes.groups["segment"].names == ("north", "south")
    assert votes.groups["device"].codes.tolist() == [0, 0]
    assert votes.groups["session"].names == ("", "s1")
    assert set(read_votes(a_file(tmp_path, text)).groups) == {"voter", "segment"}


def test_blank_lines_are_no_votes(tmp_path: Path) -> None:
    votes = read_votes(a_file(tmp_path, HEADER + "v,a,b,left\n\n  \nv,b,a,left\n\n"))
    assert len(votes) == 2


def test_a_vote_that_is_there_twice_with_its_time_counts_once(tmp_path: Path) -> None:
    rows = ["v1,a,b,left,2026-03-01T08:30:00Z", "v1,b,a,left,2026-03-01T08:30:05Z"]
    path = a_file(tmp_path, "voter,left,right,choice,at\n" + "\n".join([*rows, rows[0], *rows]) + "\n")
    votes = read_votes(path)
    assert (len(votes), votes.duplicates_removed) == (2, 3)
    assert votes.comparisons().duplicates_removed == 3
    # Without a time nobody can tell a repeat from a copy.
    same = read_votes(a_file(tmp_path, HEADER + "v1,a,b,left\n" * 3))
    assert (len(same), same.duplicates_removed) == (3, 0)


REFUSED = [
    ("", "the file is empty", None),
    ("   \n \n", "the file is empty", None),
    ("left,right,choice\n", "no vote", None),
    ("left,right\na,b\n", "choice is not there", 1),
    ("a,b,left\nb,a,right\n", "must name left, right and choice", 1),
    ("left,right,choice,left\na,b,left,a\n", "'left' is there twice", 1),
    ("left;right;choice\na;b;left\n", "separated by commas", 1),
    ("left\tright\tchoice\na\tb\tleft\n", "separated by commas", 1),
    (HEADER + "v,a,b,left\n" * 5 + "v,a,b,letf\n", "'letf' is none of left, right, tie and neither", 7),
    (HEADER + "v,a,b,\n", "'' is none of", 2),
    (HEADER + "v,a,b,1\n", "'1' is none of", 2),
    (HEADER + "v,a,,left\n", "it is empty", 2),
    (HEADER + ",a,b,left\n", "it is empty", 2),
    (HEADER + "v,a,b,left\nv,a,a,left\n", "'a' is compared with itself", 3),
    (HEADER + "v,a,b,left\nv,a,b\n", "3 fields where the header has 4", 3),
    (HEADER + "v,a,b,left\nv,a,b,left,x\n", "5 fields where the header has 4", 3),
    (HEADER + '\n\nv,"a\nb",c,left\nv,c,d,oops\n', "'oops'", 6),
    (HEADER + 'v,"a,b,left\n', "no comma-separated text", None),
    (HEADER + "v,a\0,b,left\n", "zero byte", 2),
    ("left,right,choice,weight\na,b,left,1\na,b,left,nan\n", "'nan' is not a finite number", 3),
    ("left,right,choice,weight\na,b,left,inf\n", "'inf' is not a finite number", 2),
    ("left,right,choice,weight\na,b,left,-0.5\n", "-0.5 is below zero", 2),
    ("left,right,choice,weight\na,b,left,much\n", "'much' is not a number", 2),
    ("left,right,choice,weight\na,b,left,\n", "it is empty", 2),
    (HEADER + "v,a,b\udcff,left\n", "neither UTF-8 nor GBK", 2),
]


@pytest.mark.parametrize(("text", "words", "line"), REFUSED)
def test_a_fault_is_told_with_its_line(tmp_path: Path, text: str, words: str, line: int | None) -> None:
    path = a_file(tmp_path, text.encode(errors="surrogateescape"))
    with pytest.raises(BadFile) as refused:
        read_votes(path)
    assert words in str(refused.value)
    assert str(refused.value).startswith("votes.csv")
    if line is not None:
        assert refused.value.line == line
        assert f"line {line}" in str(refused.value)


def test_one_style_is_no_ranking_but_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="compared with itself"):
        read_votes(a_file(tmp_path, HEADER + "v,only,only,left\n"))


def test_a_time_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    text = "left,right,choice,at\na,b,left,2026-03-01T08:30:00Z\na,b,left,yesterday\n"
    with pytest.raises(BadFile, match="line 3, column at: 'yesterday' is no time"):
        read_votes(a_file(tmp_path, text), also=("at",))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="no such file"):
        read_votes(tmp_path / "absent.csv")
    with pytest.raises(BadFile, match="a folder, not a file"):
        read_votes(tmp_path)


names = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n", exclude_categories=["Cs"]), max_size=4)


@few
@given(rows=st.lists(st.tuples(names, names, st.sampled_from([*CHOICES, "LEFT", "", "x"]), names), max_size=6))
def test_the_fast_way_and_the_slow_way_read_the_same(tmp_path_factory, rows) -> None:
    """Whatever stands in a file: the same votes, or the same refusal."""

    def quoted(value: str) -> str:
        return '"' + value.replace('"', '""') + '"'

    lines = [",".join(quoted(value) for value in row) for row in rows]
    path = a_file(tmp_path_factory.mktemp("v"), "left,right,choice,voter\n" + "\n".join(lines) + "\n")
    columns = ["left", "right", "choice", "voter"]
    expected, fault = [], None
    try:
        texts, _ = _read_slowly(path, path.read_bytes(), columns, columns, False)
        expected = list(zip(*texts.values(), strict=True))
    except BadFile as error:
        fault = str(error)
    if fault is not None or not expected:
        with pytest.raises(BadFile) as refused:
            read_votes(path)
        assert fault is None or str(refused.value) == fault
        return
    votes = read_votes(path)
    told = [
        [votes.styles[i], votes.styles[j], choice, votes.voter.names[v]]
        for i, j, choice, v in zip(votes.left, votes.right, votes.choice, votes.voter.codes, strict=True)
    ]
    assert told == [[i, j, CHOICES[choice.lower()], v] for i, j, choice, v in expected]


# ----- styles -----


def test_attributes_are_text_or_numbers_by_column(tmp_path: Path) -> None:
    styles = read_styles(a_file(tmp_path, "style,颜色,price,size\na,红,199,S\nb,白,299.5,1\n"))
    assert styles.attributes == ("颜色", "price", "size")
    assert styles.values["b"] == {"颜色": "白", "price": 299.5, "size": "1"}
    attributes, useless = styles.of(["b", "a"])
    assert useless == ()
    assert attributes.n_items == 2
    assert [a.is_number for a in attributes.attributes] == [False, True, False]


def test_an_attribute_that_is_the_same_for_all_is_left_out(tmp_path: Path) -> None:
    styles = read_styles(a_file(tmp_path, "style,colour,brand\na,red,X\nb,white,X\nc,red,Y\n"))
    attributes, useless = styles.of(["a", "b"])
    assert useless == ("brand",)
    assert attributes.labels == (("colour", "red"), ("colour", "white"))
    assert styles.untested(["a", "b"]) == ("c",)
    with pytest.raises(BadFile, match="no attribute differs"):
        styles.of(["a", "c"][:1] * 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("name,colour\na,red\n", "line 1: the header must have a column style"),
        ("style\na\n", "line 1: there is no attribute"),
        ("style,colour,\na,red,x\n", "line 1: a column of the header has no name"),
        ("style,colour\n", "no style"),
        ("style,colour\na,red\nb,\n", "line 3, column colour: it is empty"),
        ("style,colour\n,red\n", "line 2, column style: it is empty"),
        ("style,colour\na,red\na,white\n", "line 3, column style: the style 'a' is there twice"),
        ("style,colour\na,red,x\n", "line 2: it has 3 fields"),
    ],
)
def test_a_fault_of_a_styles_file_is_told_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadFile, match=words):
        read_styles(a_file(tmp_path, text, "styles.csv"))


def test_a_style_of_the_votes_must_be_in_the_file(tmp_path: Path) -> None:
    styles = read_styles(a_file(tmp_path, "style,colour\na,red\nb,white\n"))
    with pytest.raises(BadFile, match="the style 'c' and 1 others of the votes has no line here"):
        styles.of(["a", "c", "d"])


def test_words_that_python_takes_for_numbers_are_words(tmp_path: Path) -> None:
    styles = read_styles(a_file(tmp_path, "style,mood\na,nan\nb,inf\n"))
    assert styles.values["a"]["mood"] == "nan"
