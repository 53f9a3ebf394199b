"""The list of jobs: what runs by itself, and how often."""

from server.jobs.check_invariants import CheckInvariants
from server.jobs.check_results import CheckResults
from server.jobs.deliver_webhooks import DeliverWebhooks
from server.jobs.pace_budgets import PaceBudgets
from server.jobs.refit_rankings import RefitRankings
from server.jobs.release_blocks import ReleaseBlocks
from server.jobs.seal_books import SealBooks
from server.jobs.settle_grants import SettleGrants
from server.jobs.sweep_abuse import SweepAbuse
from server.jobs.tell_choosers import TellChoosers
from server.ports import Shell
from server.secrets import Vault
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
    tell = TellChoosers(engine, shell.economy)
    deliver = DeliverWebhooks(engine, Vault(shell.config.vault_keys), private_too=shell.config.mode == "demo")
    sweep = SweepAbuse(engine)
    results = CheckResults(engine)
    return [
        Job(refit.name, refit.run, 0.5),
        Job(settle.name, settle.run, 1.0),
        Job(sweep.name, sweep.run, 2.0),
        Job(results.name, results.run, 10.0),
        Job(release.name, release.run, 5.0),
        Job(pace.name, pace.run, 5.0),
        Job(seal.name, seal.run, 30.0),
        Job(check.name, check.run, 600.0),
        Job(tell.name, tell.run, 5.0),
        Job(deliver.name, deliver.run, 2.0),
    ]
