"""Laws of refusals: a stable code each, and a sentence that is filled from what was given."""

import re
import string

import pytest

from rewards import errors
from rewards.errors import RewardsRefusal

REFUSALS = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, RewardsRefusal)]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: one.__name__)
def test_a_refusal_is_one_filled_sentence(refusal):
    fields = {name.split("!")[0] for _, name, _, _ in string.Formatter().parse(refusal.__doc__) if name}
    error = refusal(**dict.fromkeys(fields, "something"))
    assert "{" not in str(error)
    assert str(error).endswith(".")
    assert error.params.keys() == fields


def test_codes_are_snake_case_and_unique():
    codes = [one.code for one in REFUSALS]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)
