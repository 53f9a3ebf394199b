"""Everything that touches the world: HTTP, the database, clocks, keys and jobs."""
