"""Published tables and other people's programs: the same numbers to 1e-4 and better."""

import numpy as np
import pytest

from ranking import bradley_terry, partworths
from ranking.comparisons import Comparisons
from ranking.partworths import Attributes
from tests.ranking.votes import counted, real_votes, table_of

# Stigler 1994, Statistical Science 9: citations between four journals (row cited by column), as in Turner and Firth
# 2012, Journal of Statistical Software 48(9), section 2.
JOURNALS = ("Biometrika", "Comm Statist", "JASA", "JRSS-B")
CITED = [[714, 730, 498, 221], [33, 425, 68, 17], [320, 813, 1072, 142], [284, 276, 325, 188]]

# Agresti 1990, Categorical Data Analysis, p. 438: the American League of 1987, wins and losses at home.
TEAMS = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
AT_HOME = """
4 3  4 2  4 3  6 1  4 2  6 0
3 3  4 2  4 3  6 0  6 1  4 3
2 5  4 3  2 4  4 3  4 2  6 0
3 3  5 1  2 5  4 3  4 2  6 1
5 1  2 5  3 3  4 2  5 2  6 0
2 5  3 3  3 4  4 3  4 2  2 4
2 5  1 5  1 6  2 4  1 6  3 4
"""

# Davidson 1970, JASA 65: six brands of chocolate pudding (i, j, i preferred, j preferred, no preference).
PUDDINGS = """
1 2 19 22 16  1 3 16 19 12  2 3 19 19 10  1 4 18 23 13  2 4 23 19 9  3 4 19 20 15  1 5 13 19 18  2 5 16 20 12
3 5 16 15 17  4 5 17 14 16  1 6 18 21 12  2 6 22 20 12  3 6 13 18 10  4 6 14 19 18  5 6 11 21 12
"""


def citations() -> Comparisons:
    return counted([(i, j, CITED[i][j], CITED[j][i], 0) for i in range(4) for j in range(i + 1, 4)], 4)


def baseball() -> Comparisons:
    rows = []
    for home, line in enumerate(AT_HOME.strip().splitlines()):
        numbers = [int(word) for word in line.split()]
        away = [team for team in range(7) if team != home]
        rows += [(home, a, won, lost, 0) for a, won, lost in zip(away, numbers[::2], numbers[1::2], strict=True)]
    return counted(rows, 7)


def puddings() -> Comparisons:
    numbers = np.array(PUDDINGS.split(), int).reshape(-1, 5)
    return counted([(i - 1, j - 1, a, b, t) for i, j, a, b, t in numbers.tolist()], 6)


def test_the_citations_of_four_journals() -> None:
    scores = bradley_terry.fit(citations(), prior_sd=0.0, side=False)
    gaps, errors = scores.differences()
    np.testing.assert_allclose(gaps[1:, 0], [-2.94907, -0.47957, 0.26895], atol=5e-6)
    np.testing.assert_allclose(errors[1:, 0], [0.10255, 0.06059, 0.07083], atol=6e-6)
    wins = np.array(CITED, float)
    both = wins + wins.T
    saturated = sum(wins[i, j] * np.log(wins[i, j] / both[i, j]) for i in range(4) for j in range(4) if i != j)
    assert 2.0 * (saturated - scores.log_likelihood) == pytest.approx(4.2934, abs=5e-5)


def test_the_american_league_of_1987_with_and_without_the_home_effect() -> None:
    plain = bradley_terry.fit(baseball(), prior_sd=0.0, side=False)
    gaps, errors = plain.differences()
    np.testing.assert_allclose(gaps[:6, 6], [1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839], atol=5e-5)
    np.testing.assert_allclose(errors[:6, 6], [0.3433, 0.3396, 0.3367, 0.3359, 0.3339, 0.3319], atol=5e-5)
    home = bradley_terry.fit(baseball(), prior_sd=0.0, side=True)
    assert home.side_effect.estimate == pytest.approx(0.3023, abs=5e-5)
    assert home.side_effect.standard_error == pytest.approx(0.1309, abs=5e-5)
    np.testing.assert_allclose(
        home.differences()[0][:6, 6], [1.6196, 1.4754, 1.3271, 1.2813, 1.1438, 0.7047], atol=5e-5
    )


def test_the_puddings_with_ties_as_data() -> None:
    scores = bradley_terry.fit(puddings(), prior_sd=0.0, side=False)
    np.testing.assert_allclose(scores.share, [0.1388, 0.1730, 0.1617, 0.1654, 0.1587, 0.2024], atol=5e-5)
    # Davidson's nu multiplies sqrt(pi_i pi_j), as ours does.
    assert np.exp(scores.tie_effect.estimate) == pytest.approx(0.7468, abs=5e-5)
    assert scores.log_likelihood == pytest.approx(-809.7095, abs=5e-5)


def test_the_crowds_judgements_of_answers_with_ties_as_half_a_win() -> None:
    votes, items = real_votes("llm_answers.csv")
    reference = {row["item"]: row for row in table_of("llm_answers.reference.csv")}
    first = next(k for k, item in enumerate(items) if float(reference[item]["ability"]) == 0.0)
    others = [k for k in range(len(items)) if k != first]

    def column(name: str):
        return np.array([float(reference[items[k]][name]) for k in others])

    clustered = bradley_terry.fit(votes, prior_sd=0.0, side=False, ties="half")
    gaps, errors = clustered.differences()
    np.testing.assert_allclose(gaps[others, first], column("ability"), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(errors[others, first], column("se_cluster"), rtol=1e-4)
    model = clustered.posterior_covariance
    own = np.diagonal(model)
    model_error = np.sqrt(own[others] + own[first] - 2.0 * model[others, first])
    np.testing.assert_allclose(model_error, column("se_model"), rtol=1e-6)


def test_the_profiles_of_immigrants_by_conditional_logit() -> None:
    styles, rows = table_of("profiles_attributes.csv"), table_of("profiles_votes.csv")
    number = {row["style"]: k for k, row in enumerate(styles)}
    votes = Comparisons.from_arrays(
        [number[row["left"]] for row in rows],
        [number[row["right"]] for row in rows],
        [float(row["choice"] == "left") for row in rows],
        voter=[int(row["voter"]) for row in rows],
        n_items=len(styles),
    )
    names = [name for name in styles[0] if name != "style"]
    attributes = Attributes.from_columns({name: [row[name] for row in styles] for name in names})
    fitted = partworths.fit(votes, attributes, prior_sd=0.0, side=False)
    assert fitted.log_likelihood == pytest.approx(-3874.896, abs=1e-3)
    base = {
        "Education": "No Formal",
        "Gender": "Female",
        "CountryOfOrigin": "India",
        "ReasonForApplication": "Reunite with Family",
        "Job": "Janitor",
        "JobExperience": "None",
        "JobPlans": "Will Look for Work",
        "PriorEntry": "Never",
        "LanguageSkills": "Fluent English",
    }
    found = {f"{one.attribute}{one.level}": one.worth for one in fitted.against(base)}
    reference = {row["term"]: row for row in table_of("profiles.reference.csv")}
    assert found.keys() == reference.keys()
    for term, row in reference.items():
        assert found[term].estimate == pytest.approx(float(row["estimate"]), rel=1e-6)
        assert found[term].standard_error == pytest.approx(float(row["se_cluster"]), rel=1e-4)
    unnamed = Comparisons.from_arrays(votes.left, votes.right, votes.choice, n_items=len(styles))
    model = {
        f"{one.attribute}{one.level}": one.worth
        for one in partworths.fit(unnamed, attributes, prior_sd=0.0, side=False).against(base)
    }
    for term, row in reference.items():
        assert model[term].standard_error == pytest.approx(float(row["se_model"]), rel=1e-4)
