"""Import a test: what was read and checked from a folder becomes a draft with its pictures, whole or not at all."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

from game.style_test import Style, StyleTest, numbered
from server.files.test_folder import DraftTest
from server.ids import uuid7
from server.media import keep_picture
from server.stores import pictures, tests
from server.stores.db import AsyncConnection


async def import_test(
    conn: AsyncConnection, draft: DraftTest, *, merchant_id: UUID, media_dir: Path, now: datetime
) -> StyleTest:
    """Record a draft. Pictures are named by their content, so one that stays behind after a failure harms nobody."""
    styles = [
        Style(
            style_id=uuid7(),
            position=0,
            title=style.title,
            title_en=style.title_en,
            picture=keep_picture(media_dir, style.picture),
            attributes=style.attributes,
            decoy=style.decoy,
            reference_sales=style.reference_sales,
            cost_fen=style.cost_fen,
            price_fen=style.price_fen,
        )
        for style in draft.styles
    ]
    test = StyleTest(
        test_id=uuid7(),
        merchant_id=merchant_id,
        title=draft.title,
        title_en=draft.title_en,
        question=draft.question,
        question_en=draft.question_en,
        goal=draft.goal,
        audience=draft.audience,
        budget_fen=draft.budget_fen,
        ends_at=draft.ends_at,
        min_days=draft.min_days,
        created_at=now,
        styles=numbered(styles),
    )
    await tests.add(conn, test)
    await pictures.remember(conn, [style.picture for style in draft.styles], now)
    return test
