"""The list of jobs: what runs by itself, and how often."""

from datetime import datetime
from typing import Protocol

from rewards.economy import Economy
from server.gateways.content import looks_of
from server.jobs.check_content import CheckContent
from server.jobs.check_invariants import CheckInvariants
from server.jobs.check_results import CheckResults
from server.jobs.deliver_webhooks import DeliverWebhooks
from server.jobs.expire_addresses import ExpireAddresses
from server.jobs.expire_fertilizer import ExpireFertilizer
from server.jobs.fill_back_orders import FillBackOrders
from server.jobs.forget_old_data import ForgetOldData
from server.jobs.free_boxes import FreeBoxes
from server.jobs.measure_prizes import MeasurePrizes
from server.jobs.measure_programme import MeasureProgramme
from server.jobs.pace_budgets import PaceBudgets
from server.jobs.pay_owed_awards import PayOwedAwards
from server.jobs.record_spending import RecordSpending
from server.jobs.refit_rankings import RefitRankings
from server.jobs.release_blocks import ReleaseBlocks
from server.jobs.rotate_keys import RotateKeys
from server.jobs.seal_books import SealBooks
from server.jobs.settle_grants import SettleGrants
from server.jobs.sound_alarms import SoundAlarms
from server.jobs.sweep_abuse import SweepAbuse
from server.jobs.tell_choosers import TellChoosers
from server.jobs.vest_invitations import VestInvitations
from server.jobs.watch_votes import WatchVotes
from server.ports import Shell
from server.secrets import vault_of
from server.worker import Job


class _Runs(Protocol):
    """What every job is: a name, and what it does when its time has come."""

    name: str

    async def run(self, now: datetime) -> int: ...


def jobs_of(shell: Shell) -> list[Job]:
    """Every job of a worker on this shell."""
    engine, vault = shell.engine, vault_of(shell.config)

    def economy() -> Economy:
        return shell.economy

    every_s: list[tuple[_Runs, float]] = [
        (RefitRankings(engine), 0.5),
        (SettleGrants(engine), 1.0),
        (SweepAbuse(engine), 2.0),
        (CheckResults(engine), 10.0),
        (ReleaseBlocks(engine), 5.0),
        (PaceBudgets(engine), 5.0),
        (RecordSpending(engine), 60.0),
        (SealBooks(engine), 30.0),
        (CheckInvariants(engine), 600.0),
        (TellChoosers(engine, economy), 5.0),
        (DeliverWebhooks(engine, vault, private_too=shell.config.mode == "demo"), 2.0),
        (CheckContent(engine, economy, looks_of(shell.config, shell.platforms.alipay, shell.platforms.wechat)), 2.0),
        (PayOwedAwards(engine, economy), 60.0),
        (VestInvitations(engine, economy), 60.0),
        (FreeBoxes(engine, economy), 3600.0),
        (FillBackOrders(engine, economy), 60.0),
        (MeasurePrizes(engine), 300.0),
        (MeasureProgramme(engine, economy, shell.metrics.registry), 30.0),
        (WatchVotes(engine, shell.metrics.registry), 15.0),
        (SoundAlarms(engine, shell.metrics.registry), 15.0),
        (ExpireFertilizer(engine, economy), 3600.0),
        (ExpireAddresses(engine, economy, vault), 3600.0),
        (RotateKeys(engine, vault), 3600.0),
        (ForgetOldData(engine), 3600.0),
    ]
    return [Job(job.name, job.run, rest_s) for job, rest_s in every_s]
