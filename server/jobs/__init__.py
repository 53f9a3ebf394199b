"""What happens without being asked for: one job a file, each safe to run anywhere, any time, twice."""
