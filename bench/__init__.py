"""Benchmarks: votes to decision, cost per fit, votes per second; each a module with --seed, sizes and --json."""
