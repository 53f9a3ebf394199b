HORIZON = 12000
VOTES: dict[tuple[int, int], tuple[int, ...]] = {}
