"""The first books: every table of the first release, as the stores define them."""

from pathlib import Path

from alembic import op

from server.migrations import run_script

revision = "first_books"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(op.get_bind(), Path(__file__).with_name("first_books.sql").read_text(encoding="utf-8"))
