"""Seals: a chain of hashes over blocks of transfers and of audit lines, so that one changed byte is found with its row.

A seal covers the rows of one table whose sequence number lies in (from_seq, to_seq]. It holds the hash of each of
them, and a hash over all of these and over the seal before it. Whoever changes, removes or slips in a row must
rewrite every seal after it; whoever wrote down the newest digest elsewhere notices even that.

Sequence numbers are drawn before a transaction commits, so the newest ones are not final: see `final_up_to`.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from server.stores.db import metadata
from server.stores.ledger import REFUSE_CHANGE

seals = sa.Table(
    "seals",
    metadata,
    sa.Column("chain", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("from_seq", sa.BigInteger, nullable=False),
    sa.Column("to_seq", sa.BigInteger, nullable=False),
    # Of each row, in order: its sequence number less from_seq, and the first eight bytes of its SHA-256.
    sa.Column("row_offsets", ARRAY(sa.Integer), nullable=False),
    sa.Column("row_digests", sa.LargeBinary, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("chain in ('transfers', 'audit_lines')", name="chain_known"),
    sa.CheckConstraint("from_seq < to_seq", name="range_not_empty"),
)

DDL = (
    REFUSE_CHANGE,
    """
create or replace trigger seals_append_only before update or delete or truncate on seals
    for each statement execute function refuse_change()
""",
)
