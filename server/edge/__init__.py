"""The edge: bytes become checked values here, and refusals become answers; no rule lives here."""
