"""The list of jobs: what runs by itself, and how often."""

from server.jobs.check_invariants import CheckInvariants
from server.jobs.pace_budgets import PaceBudgets
from server.jobs.refit_rankings import RefitRankings
from server.jobs.release_blocks import ReleaseBlocks
from server.jobs.seal_books import SealBooks
from server.jobs.settle_grants import SettleGrants
from server.ports import Shell
from server.worker import Job


def jobs_of(shell: Shell) -> list[Job]:
    """Every job of a worker on this shell."""
    engine = shell.engine
    refit = RefitRankings(engine)
    settle = SettleGrants(engine)
    release = ReleaseBlocks(engine)
    pace = PaceBudgets(engine)
    seal = SealBooks(engine)
    check = CheckInvariants(engine)
    return [
        Job(refit.name, refit.run, 0.5),
        Job(settle.name, settle.run, 1.0),
        Job(release.name, release.run, 5.0),
        Job(pace.name, pace.run, 5.0),
        Job(seal.name, seal.run, 30.0),
        Job(check.name, check.run, 600.0),
    ]
