"""The list of jobs: what runs by itself, and how often."""

from server.jobs.refit_rankings import RefitRankings
from server.ports import Shell
from server.worker import Job


def jobs_of(shell: Shell) -> list[Job]:
    """Every job of a worker on this shell."""
    refit = RefitRankings(shell.engine)
    return [
        Job(refit.name, refit.run, 0.5),
    ]
