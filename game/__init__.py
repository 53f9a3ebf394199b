"""The rules of play: what a test is, who is asked, which pair is dealt, and when an answer counts."""
