"""`xuankuan rank`: every number of its JSON against the library or a published one, and every fault in one sentence."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from ranking import bradley_terry, partworths, segments
from server.cli import cli
from server.files.styles_csv import read_styles
from server.files.votes_csv import read_votes
from tests.ranking.votes import DATA, some_votes, table_of, unpacked

STYLES = ("black dress", "blue dress", "red dress", "white dress", "yellow dress", "绿裙")
CONTRACT = {
    "items", "covariance", "side_effect", "tie_effect", "attributes", "segments", "segments_differ", "flags",
    "converged", "votes", "voters", "method",
}  # fmt: skip
ITEM = {
    "name", "strength", "standard_error", "low", "high", "rank", "rank_low", "rank_high", "share", "p_best", "p_top",
    "votes",
}  # fmt: skip


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, ["rank", *map(str, words)])


def ranked(*words: object) -> dict[str, Any]:
    result = run(*words, "--json", "-")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rank")


@pytest.fixture(scope="module")
def votes_csv(folder: Path) -> Path:
    """Two thousand votes of two hundred voters in two segments on six styles, with ties and neithers."""
    made = some_votes(6, 2000, seed=7, ties=0.1, neither=0.05, segments=2, taste=0.6, weighted=True).votes
    path = folder / "votes.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["at", "segment", "choice", "right", "left", "voter", "weight"])
        word = {1.0: "left", 0.0: "right", 0.5: "tie", -1.0: "neither"}
        for k, choice in enumerate(made.choice.tolist()):
            out.writerow([
                f"2026-03-01T08:{k // 60:02d}:{k % 60:02d}.{k % 1000:03d}Z", ("north", "south")[made.segment[k]],
                word[choice], STYLES[made.right[k]], STYLES[made.left[k]], f"voter {made.voter[k]}", made.weight[k],
            ])  # fmt: skip
    return path


@pytest.fixture(scope="module")
def styles_csv(folder: Path) -> Path:
    path = folder / "styles.csv"
    rows = ["style,warm,length,price,brand"]
    rows += [f"{style},{'yes' if 'ed' in style or 'ye' in style else 'no'},{'long' if k % 2 else 'short'},{199 + 10 * k},own"
             for k, style in enumerate(STYLES)]  # fmt: skip
    rows += ["orange dress,yes,long,219,own", "orange shirt,yes,none,219,own"]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def by_name(items: list[dict[str, Any]], key: str) -> list[Any]:
    """One column of the items, in the order of their names."""
    return [item[key] for item in sorted(items, key=lambda item: item["name"])]


def test_all_that_the_contract_names_is_there_and_is_what_the_library_says(votes_csv: Path) -> None:
    told = ranked(votes_csv, "--top", 2)
    assert told.keys() >= CONTRACT
    scores = bradley_terry.fit(read_votes(votes_csv).comparisons())
    low, high = scores.interval(0.95)
    rank_low, rank_high = scores.rank_interval(0.95)
    expected = {
        "strength": scores.strength,
        "standard_error": scores.standard_error,
        "standard_error_model": scores.standard_error_model,
        "low": low,
        "high": high,
        "rank": scores.rank,
        "rank_low": rank_low,
        "rank_high": rank_high,
        "share": scores.share,
        "p_best": scores.p_best(),
        "p_best_within": scores.p_best(0.1),
        "p_top": scores.p_top(2),
        "expected_loss": scores.expected_loss(),
        "design_effect": scores.design_effect,
    }
    items = told["items"]
    assert by_name(items, "name") == sorted(STYLES)
    for key, values in expected.items():
        np.testing.assert_allclose(by_name(items, key), values, rtol=1e-12, err_msg=key)
    assert all(item.keys() >= ITEM for item in items)
    assert [item["rank"] for item in items] == sorted(item["rank"] for item in items)
    order = [sorted(STYLES).index(item["name"]) for item in items]
    np.testing.assert_allclose(told["covariance"], scores.covariance[np.ix_(order, order)])
    assert told["side_effect"] == {
        "estimate": pytest.approx(scores.side_effect.estimate),
        "standard_error": pytest.approx(scores.side_effect.standard_error),
    }
    assert told["tie_effect"]["estimate"] == pytest.approx(scores.tie_effect.estimate)
    assert (told["attributes"], told["segments"], told["segments_differ"], told["flags"]) == (None, None, None, [])
    assert told["converged"] is True
    assert (told["votes"], told["voters"]) == (2000, 200)
    assert "voter-clustered" in told["method"]
    assert told["log_likelihood"] == pytest.approx(scores.log_likelihood)


def test_votes_and_neithers_of_an_item_are_counted_line_by_line(votes_csv: Path) -> None:
    told = ranked(votes_csv)
    lines = list(csv.DictReader(votes_csv.read_text(encoding="utf-8").splitlines()))
    for item in told["items"]:
        mine = [line for line in lines if item["name"] in (line["left"], line["right"])]
        assert item["votes"] == len(mine)
        assert item["neither"] == sum(line["choice"] == "neither" for line in mine)
    assert told["neither"] == sum(line["choice"] == "neither" for line in lines)


def test_the_order_of_the_lines_and_of_the_columns_does_not_matter(votes_csv: Path, folder: Path) -> None:
    lines = list(csv.DictReader(votes_csv.read_text(encoding="utf-8").splitlines()))
    turned = folder / "turned.csv"
    with turned.open("w", encoding="gbk", newline="") as file:
        out = csv.DictWriter(file, sorted(lines[0]))
        out.writeheader()
        out.writerows(lines[i] for i in np.random.default_rng(0).permutation(len(lines)))
    a, b = ranked(votes_csv), ranked(turned)
    for key in ("strength", "standard_error", "share", "p_best", "p_top", "votes", "rank"):
        np.testing.assert_allclose(by_name(a["items"], key), by_name(b["items"], key), atol=1e-9, err_msg=key)
    assert a["flags"] == b["flags"]


def test_with_no_prior_and_no_side_the_estimates_are_those_of_other_packages(folder: Path) -> None:
    told = ranked(DATA / "llm_answers.csv", "--prior", 0, "--no-side", "--ties", "half")
    reference = {row["item"]: row for row in table_of("llm_answers.reference.csv")}
    names = [item["name"] for item in told["items"]]
    first = next(name for name, row in reference.items() if float(row["ability"]) == 0.0)
    strength = {item["name"]: item["strength"] for item in told["items"]}
    c, at = np.array(told["covariance"]), {name: k for k, name in enumerate(names)}
    for name in names:
        assert strength[name] - strength[first] == pytest.approx(float(reference[name]["ability"]), rel=1e-6, abs=1e-9)
        variance = c[at[name], at[name]] + c[at[first], at[first]] - 2.0 * c[at[name], at[first]]
        assert max(variance, 0.0) ** 0.5 == pytest.approx(float(reference[name]["se_cluster"]), rel=1e-4, abs=1e-7)
    assert told["side_effect"] is None
    assert told["tie_effect"] is None
    assert "sandwich" in told["method"]
    assert (told["votes"], told["voters"]) == (8931, 124)


def test_without_voters_the_intervals_are_the_models_and_the_method_says_so(folder: Path) -> None:
    lines = [row.split(",", 1)[1] for row in (DATA / "llm_answers.csv").read_text().splitlines()]
    path = folder / "unnamed.csv"
    path.write_text("\n".join(lines) + "\n")
    told = ranked(path, "--prior", 0, "--no-side", "--ties", "half")
    reference = {row["item"]: row for row in table_of("llm_answers.reference.csv")}
    first = next(k for k, item in enumerate(told["items"]) if float(reference[item["name"]]["ability"]) == 0.0)
    c = np.array(told["covariance"])
    error = np.sqrt(np.maximum(np.diagonal(c) + c[first, first] - 2.0 * c[:, first], 0.0))
    expected = [float(reference[item["name"]]["se_model"]) for item in told["items"]]
    np.testing.assert_allclose(error, expected, rtol=1e-4, atol=1e-7)
    assert "model-based" in told["method"]
    assert told["voters"] == 0


def test_segments_are_those_of_the_hierarchical_fit(votes_csv: Path) -> None:
    told = ranked(votes_csv, "--by", "segment")
    fitted = segments.fit(read_votes(votes_csv).comparisons(by="segment"))
    assert list(told["segments"]) == ["north", "south"]
    for scores, one in zip(fitted.of, told["segments"].values(), strict=True):
        np.testing.assert_allclose(by_name(one["items"], "strength"), scores.strength)
        np.testing.assert_allclose(by_name(one["items"], "standard_error"), scores.standard_error)
        assert all(item.keys() >= ITEM for item in one["items"])
    north, south = (sum(item["votes"] for item in one["items"]) for one in told["segments"].values())
    assert north + south == 4000
    differ = told["segments_differ"]
    assert differ["df"] == 5
    assert differ["p_value"] == pytest.approx(fitted.differ.p_value)
    assert differ["statistic"] == pytest.approx(fitted.differ.statistic)


def test_a_mix_weighs_the_segments_whoever_voted_most(votes_csv: Path) -> None:
    """The whole is then the library's answer for that clientele, and the segments stay as they are."""
    names = ("north", "south")
    found = ranked(votes_csv, "--by", "segment", "--mix", "north=3", "--mix", "south=1")
    fair = segments.fit(read_votes(votes_csv).comparisons(by="segment")).poststratified([3, 1])
    np.testing.assert_allclose(by_name(found["items"], "strength"), fair.strength)
    np.testing.assert_allclose(by_name(found["items"], "standard_error"), fair.standard_error)
    assert "segments weighted" in found["method"]
    assert found["segments"] == ranked(votes_csv, "--by", "segment")["segments"]
    for wrong, words in (
        (["--mix", "nobody=1"], "names 'nobody'"),
        (["--mix", f"{names[0]}=-1"], "not negative"),
        (["--mix", names[0]], "GROUP=PART"),
        (["--mix", f"{names[0]}=nan"], "not negative"),
        (["--mix", f"{names[0]}=0"], "no group any part"),
        (["--mix", f"{names[0]}=1", "--prior", "0"], "neither --prior"),
    ):
        result = run(votes_csv, "--by", "segment", *wrong)
        assert (result.exit_code, words in result.output) == (2, True), result.output
    assert run(votes_csv, "--mix", f"{names[0]}=1").exit_code == 2


def test_segments_without_a_prior_stand_alone(votes_csv: Path) -> None:
    told = ranked(votes_csv, "--by", "segment", "--prior", 0)
    comparisons = read_votes(votes_csv).comparisons(by="segment")
    alone = bradley_terry.fit(comparisons.of_segment(1), prior_sd=0.0)
    np.testing.assert_allclose(by_name(told["segments"]["south"]["items"], "strength"), alone.strength)


def test_attributes_are_part_worths_and_untested_styles_are_foretold(votes_csv: Path, styles_csv: Path) -> None:
    told = ranked(votes_csv, "--attributes", styles_csv)
    votes, styles = read_votes(votes_csv), read_styles(styles_csv)
    attributes, useless = styles.of(votes.styles)
    fitted = partworths.fit(votes.comparisons(), attributes)
    assert useless == ("brand",)
    assert [flag["code"] for flag in told["flags"]] == ["attribute_ignored"]
    for one, expected in zip(told["attributes"], fitted.worths, strict=True):
        low, high = expected.worth.interval(0.95)
        assert one == {
            "attribute": expected.attribute, "level": expected.level, "worth": pytest.approx(expected.worth.estimate),
            "standard_error": pytest.approx(expected.worth.standard_error), "low": pytest.approx(low), "high":
            pytest.approx(high),
        }  # fmt: skip
    np.testing.assert_allclose(by_name(told["items"], "strength"), fitted.scores.strength)
    assert [one["name"] for one in told["untested"]] == ["orange dress"]
    estimate = fitted.predict([{"warm": "yes", "length": "long", "price": 219.0}])[0]
    assert told["untested"][0]["strength"] == pytest.approx(estimate.estimate)
    assert told["untested"][0]["standard_error"] == pytest.approx(estimate.standard_error)


def test_profiles_are_the_published_conditional_logit(folder: Path) -> None:
    paths = [unpacked(f"profiles_{name}.csv", folder) for name in ("votes", "attributes")]
    bases = [
        "Education=No Formal", "Gender=Female", "CountryOfOrigin=India", "ReasonForApplication=Reunite with Family",
        "Job=Janitor", "JobExperience=None", "JobPlans=Will Look for Work", "PriorEntry=Never",
        "LanguageSkills=Fluent English",
    ]  # fmt: skip
    words = [word for base in bases for word in ("--base", base)]
    told = ranked(paths[0], "--attributes", paths[1], "--prior", 0, "--no-side", *words)
    reference = {row["term"]: row for row in table_of("profiles.reference.csv")}
    assert told["log_likelihood"] == pytest.approx(-3874.896, abs=1e-3)
    assert len(told["attributes"]) == len(reference)
    for one in told["attributes"]:
        row = reference[one["attribute"] + one["level"]]
        assert one["worth"] == pytest.approx(float(row["estimate"]), rel=1e-6)
        assert one["standard_error"] == pytest.approx(float(row["se_cluster"]), rel=1e-4)
    assert len(told["items"]) == 13846 - sum(1 for _ in told["untested"])
    assert told["covariance"] is None


def test_a_ranking_on_screen_names_every_style_and_its_doubts(folder: Path) -> None:
    path = folder / "early.csv"
    path.write_text("left,right,choice\n" + "a[b],c,left\n" * 5 + "c,d,left\nc,d,right\nc,d,neither\n")
    result = run(path)
    assert result.exit_code == 0
    for words in ("a[b]", "never beaten", "early estimate", "1 answers liked none", "8 votes", "Method:"):
        assert words in result.stdout, words


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_chart_is_a_picture(votes_csv: Path, folder: Path, ending: str) -> None:
    path = folder / f"chart.{ending}"
    assert run(votes_csv, "--chart", path).exit_code == 0
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG") if ending == "png" else (b"<svg" in data and "red dress" in data.decode())


@pytest.mark.parametrize("model", ["bradley_terry", "plain", "segments", "trueskill"])
def test_every_model_can_be_asked_for(votes_csv: Path, model: str) -> None:
    told = ranked(votes_csv, "--model", model)
    assert len(told["items"]) == 6
    assert by_name(told["items"], "strength") == pytest.approx(by_name(ranked(votes_csv)["items"], "strength"), abs=0.5)


HEADER = "left,right,choice\n"
REFUSED = [
    ("a,b,left\n", (), "must name left, right and choice"),
    (HEADER + "a,b,left\n" * 5 + "a,b,lfet\n", (), "line 7, column choice: 'lfet' is none of left, right, tie"),
    ("", (), "the file is empty"),
    (HEADER, (), "no vote"),
    (HEADER + "a,b,neither\n", (), "no vote"),
    (HEADER + "a,a,left\n", (), "line 2: 'a' is compared with itself"),
    ("left,right,choice,weight\na,b,left,nan\n", (), "line 2, column weight: 'nan' is not a finite number"),
    ("left,right,choice,weight\na,b,left,-1\n", (), "line 2, column weight: -1 is below zero"),
    ("left,right,choice,weight\na,b,left,0\n", (), "no vote with a weight above zero"),
    (HEADER + "a,b,left\n", ("--top", "3"), "--top is 3, but the file has 2 styles"),
    (HEADER + "a,b,left\n", ("--top", "0"), "x>=1"),
    (HEADER + "a,b,left\n", ("--by", "segment"), "there is no column 'segment'"),
    (HEADER + "a,b,left\n", ("--by", "left"), "there is no column 'left' to rank by"),
    (HEADER + "a,b,left\n", ("--prior", "-1"), "--prior is -1.0"),
    (HEADER + "a,b,left\n", ("--prior", "nan"), "--prior is nan"),
    (HEADER + "a,b,left\n", ("--chart", "x.bmp"), "must end in .png or .svg"),
    (HEADER + "a,b,left\n", ("--base", "colour=red"), "--base needs --attributes"),
    (HEADER + "a,b,left\n", ("--attributes", "absent.csv"), "there is no such file"),
    (HEADER + "a,b,left\n", ("--json", "/nowhere/at/all.json"), "cannot be written"),
    (HEADER + "a,b,left\n", ("--chart", "/nowhere/at/all.png"), "cannot be written"),
    (HEADER + "a,b,left\n", ("--ties", "drop"), "'drop'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "options", "words"), REFUSED)
def test_whatever_is_wrong_is_one_sentence_and_exit_2(tmp_path: Path, text: str, options: tuple, words: str) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(text)
    result = run(path, *options)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "a folder, not a file"), (tmp_path / "absent.csv", "there is no such file")):
        result = run(path)
        assert (result.exit_code, words in result.stderr) == (2, True)


def test_a_base_must_be_a_level_of_an_attribute(votes_csv: Path, styles_csv: Path) -> None:
    for base, words in (("warm", "ATTRIBUTE=LEVEL"), ("warm=maybe", "known are no, yes"), ("hem=wide", "hem is not")):
        result = run(votes_csv, "--attributes", styles_csv, "--base", base)
        assert (result.exit_code, words in result.stderr) == (2, True), result.stderr
    result = run(votes_csv, "--attributes", styles_csv, "--prior", 0.5)
    assert result.exit_code == 2


def test_the_command_itself_runs_and_keeps_its_errors_off_the_output(votes_csv: Path) -> None:
    command = [sys.executable, "-c", "from server.cli import main; main()", "rank"]
    good = subprocess.run([*command, str(votes_csv), "--json", "-"], capture_output=True, check=False)
    assert (good.returncode, good.stderr) == (0, b"")
    assert json.loads(good.stdout)["votes"] == 2000
    bad = subprocess.run([*command, "absent.csv"], capture_output=True, check=False)
    assert (bad.returncode, bad.stdout) == (2, b"")
    assert bad.stderr.decode().strip().count("\n") == 0
