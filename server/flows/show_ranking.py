"""Show a ranking: what the merchant of a test sees of it now, and whether what was decided still stands."""

from typing import Any

from game.conclusions import Ailment
from game.holding import changed_note, holding_note, restored_note
from game.showing import rounded, shown_from
from game.style_test import StyleTest, TestState
from server.edge.wire import rfc3339
from server.stores import snapshots, standings
from server.stores.db import AsyncConnection

# What was counted is exact at any time; what was concluded stands as of the step.
_COUNTED = ("version", "at", "votes", "voters", "gold", "promised_g", "status", "ailments", "confirmation")


async def show_ranking(conn: AsyncConnection, test: StyleTest, state: TestState) -> dict[str, Any] | None:
    """The document of a test as its merchant sees it; None before the first votes.

    While the test runs the estimates are those of the last step of votes, rounded (`game.showing`), and
    `estimated_votes` says how many votes they rest on.
    """
    latest = await snapshots.latest(conn, test.test_id)
    if latest is None:
        return None
    if state in (TestState.RUNNING, TestState.PAUSED):
        shown = await snapshots.first_from(conn, test.test_id, shown_from(latest.votes)) or latest
        counted = {name: latest.document[name] for name in _COUNTED if name in latest.document}
        return {**rounded(shown.document), **counted, "estimated_votes": shown.votes}
    document = {**latest.document, "estimated_votes": latest.votes}
    check, flag = await standings.latest_check(conn, test.test_id), await standings.result_flag(conn, test.test_id)
    said: list[Ailment] = []
    titles = [style.title for style in test.ranked]
    if flag is not None:
        changed = flag.cleared_at is None
        before, after = ([titles[k] for k in chosen] for chosen in (flag.chosen_before, flag.chosen_after))
        said.append(changed_note(before, after) if changed else restored_note())
        document["result_changed"] = {
            "now": changed,
            "at": rfc3339(flag.at),
            "chosen_before": list(flag.chosen_before),
            "chosen_after": list(flag.chosen_after),
            "cleared_at": rfc3339(flag.cleared_at) if flag.cleared_at else None,
        }
    if check is not None and check.holds is not None and check.share is not None and check.share_to_flip is not None:
        said.append(holding_note(holds=check.holds, share=check.share, share_to_flip=check.share_to_flip))
        document["holding"] = {
            "holds": check.holds,
            "without_share": round(check.share, 4),
            "voters_removed": check.n_removed,
            "share_to_flip": round(check.share_to_flip, 4),
            "checked_at": rfc3339(check.at),
        }
    notes = [{"code": note.code, "zh": note.zh, "en": note.en} for note in said]
    document["notes"] = [*notes, *document.get("notes", [])]
    return document
