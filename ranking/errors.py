"""What the statistics refuse, by name: each class says in one sentence what is wrong and where."""

from __future__ import annotations

from typing import ClassVar


class RankingError(Exception):
    """The statistics cannot answer this."""

    code: ClassVar[str] = "ranking_error"

    def __init__(self, **params: object) -> None:
        # The docstring is the message: what a reader of the class sees is what the caller is told.
        self.params = params
        super().__init__((type(self).__doc__ or self.code).format(**params))


class NoVotes(RankingError):
    """There is no vote to rank by: {reason}."""

    code = "no_votes"


class OneItemOnly(RankingError):
    """There is only one style ({item}); a ranking needs at least two."""

    code = "one_item_only"


class UnevenArrays(RankingError):
    """{field} has {length} rows, but left has {expected}."""

    code = "uneven_arrays"


class UnknownItem(RankingError):
    """Row {row}: {field} is {value!r}; items are whole numbers from 0 to {last}."""

    code = "unknown_item"


class NotAWholeNumber(RankingError):
    """{field} must hold whole numbers, one for each vote; row {row} has {value!r}."""

    code = "not_a_whole_number"


class ItemAgainstItself(RankingError):
    """Row {row}: item {item} is compared with itself."""

    code = "item_against_itself"


class UnknownChoice(RankingError):
    """Row {row}: choice is {value!r}; it must be 1 (left), 0 (right), 0.5 (tie) or -1 (neither)."""

    code = "unknown_choice"


class BadWeight(RankingError):
    """Row {row}: weight is {value!r}; it must be a finite number, zero or more."""

    code = "bad_weight"


class TooManyItems(RankingError):
    """There are {n_items} items, but one fit holds at most {limit}; number them without gaps, or rank by attributes."""

    code = "too_many_items"


class TooManySegments(RankingError):
    """There are {n_segments} groups of {n_items} items, but one fit holds {limit} at most; rank by fewer groups."""

    code = "too_many_segments"


class BadOption(RankingError):
    """{option} is {value!r}; it must be {allowed}."""

    code = "bad_option"


class UnknownModel(RankingError):
    """There is no model called {name!r}; known are {known}."""

    code = "unknown_model"


class ConflictingVotes(RankingError):
    """Rows {first} and {second} carry the same vote id {vote!r} with different contents."""

    code = "conflicting_votes"


class BadAttributes(RankingError):
    """The attributes of the styles do not fit the votes: {reason}."""

    code = "bad_attributes"


class UnknownLevel(RankingError):
    """{attribute} has no level {level!r} among the tested styles; known are {known}."""

    code = "unknown_level"
