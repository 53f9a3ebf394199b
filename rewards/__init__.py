"""Rewards: the rules of fertilizer and money. Pure: values in, values out; `now` and chance are arguments."""
