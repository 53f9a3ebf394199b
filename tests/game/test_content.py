"""Laws of content review: what is looked at, and what several looks come to."""

from dataclasses import replace

import pytest

from game.content import ContentState, pieces_of, refuse_risky, refused, standing, together
from game.errors import ContentRefused
from tests.server.builders import a_test


def test_a_piece_is_what_players_would_see_and_nothing_else():
    """A cost or a place in the list needs no second look; another word or picture does."""
    test = a_test(styles=2)
    own, first, second = pieces_of(test)
    cheaper = replace(test, styles=(replace(test.styles[0], cost_fen=1), test.styles[1]))
    assert pieces_of(cheaper) == (own, first, second)
    renamed = replace(test, styles=(replace(test.styles[0], title="另一个名字"), test.styles[1]))
    assert pieces_of(renamed)[1].digest != first.digest
    assert pieces_of(replace(test, question="哪件更显瘦?"))[0].digest != own.digest
    repainted = replace(test, styles=(replace(test.styles[0], picture="f" * 64), test.styles[1]))
    assert pieces_of(repainted)[1].digest != first.digest


@pytest.mark.parametrize("worst", list(ContentState))
def test_a_test_stands_as_its_worst_piece(worst: ContentState):
    """One refused piece is enough; what nobody has handed in is not good yet."""
    test = a_test(styles=2)
    own, first, second = pieces_of(test)
    known = {own.digest: (ContentState.PASS, ""), first.digest: (worst, "no"), second.digest: (ContentState.PASS, "")}
    assert standing((own, first, second), known) is worst
    del known[second.digest]
    assert standing((own, first, second), known) is together([worst, ContentState.PENDING])
    if worst is ContentState.RISKY:
        assert refused((own, first, second), known) == ((first, "no"),)
        with pytest.raises(ContentRefused):
            refuse_risky((own, first, second), known)
    else:
        refuse_risky((own, first, second), known)


def test_no_looks_at_all_come_to_a_pass():
    """An empty list has nothing bad in it; whoever must look says so by handing in."""
    assert together([]) is ContentState.PASS
