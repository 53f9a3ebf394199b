"""Flip a kill switch: one word more on its target, with its reason, its reach as it was counted, and its audit line."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from rewards.kinds import SWITCHABLE
from rewards.kinds.per_vote import PER_VOTE
from server.edge.problems import Problem
from server.edge.wire import rfc3339
from server.stores import audit, blast_radius, budgets
from server.stores.blast_radius import BlastRadius, SwitchLine
from server.stores.db import AsyncConnection


async def reach_of(conn: AsyncConnection, scope: str, target: str, now: datetime) -> BlastRadius:
    """What flipping this switch would touch. Raises Problem `switch_unknown` where there is no such target."""
    if scope == "all":
        return await blast_radius.of_tests(conn, None, now)
    if scope == "kind":
        if target not in SWITCHABLE:
            raise Problem("switch_unknown", field="target", params={"target": target})
        if target == PER_VOTE.code:
            return await blast_radius.of_tests(conn, None, now)
        return await blast_radius.of_awards(conn, target, now)
    try:
        test_id = UUID(target)
    except ValueError:
        raise Problem("switch_unknown", field="target", params={"target": target}) from None
    if await blast_radius.is_running(conn, test_id) is None:
        raise Problem("switch_unknown", field="target", params={"target": target})
    return await blast_radius.of_tests(conn, test_id, now)


async def flip_switch(
    conn: AsyncConnection, *, scope: str, target: str, stops: bool, why: str, who: str, now: datetime, request_id: str
) -> tuple[SwitchLine, BlastRadius]:
    """Stop something, or let it go on. Every process acts on it within seconds; what was promised is honoured.

    Raises Problem `switch_unknown`, and `switch_stands` for who comes second: he is told who was first, and why.
    """
    await blast_radius.lock_switches(conn)
    reach = await reach_of(conn, scope, target, now)
    if scope == "test":
        target = str(UUID(target))
    before = await blast_radius.latest_word(conn, scope, target)
    if (before.stops if before else False) == stops:
        raise Problem(
            "switch_stands",
            params={
                "who": before.who if before else "—",
                "at": rfc3339(before.at) if before else "—",
                "why": before.why if before else "—",
            },
        )
    await budgets.switch(conn, scope=scope, target=target, stops=stops, why=why, who=who, now=now)
    await audit.write(
        conn,
        who=who,
        what="switch.stop" if stops else "switch.resume",
        object_id=f"{scope}:{target}" if target else scope,
        before={"stops": not stops},
        after={"stops": stops, "reach": {**asdict(reach), "titles": list(reach.titles)}},
        why=why,
        now=now,
        request_id=request_id,
    )
    line = await blast_radius.latest_word(conn, scope, target)
    assert line is not None
    return line, reach
