"""Laws of what operators read: the handbook names every variable and alarm there is, the dashboard only what is counted."""

import json
import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from rewards.economy import Economy
from server.alarms import WORDS
from server.jobs.measure_programme import MeasureProgramme
from server.jobs.sound_alarms import SoundAlarms
from server.jobs.watch_votes import WatchVotes
from server.metrics import Metrics
from server.stores.db import engine_from

HOUSE = Path(__file__).parents[1]
HANDBOOK = (HOUSE / "docs/operations.md").read_text(encoding="utf-8")
NAMES = r"(?:XUANKUAN|ALIPAY|WECHAT|DATABASE|REDIS)_[A-Z_]+"


def test_the_handbook_names_every_variable_that_is_read_and_no_other():
    read = set(re.findall(rf'"({NAMES})"', (HOUSE / "server/config.py").read_text(encoding="utf-8")))
    told = set(re.findall(rf"^\| `({NAMES})` \|", HANDBOOK, re.MULTILINE))
    assert read - told == set()
    assert told - read == set()


def test_each_alarm_has_its_heading_in_the_handbook():
    assert re.findall(r"^### `(\w+)`$", HANDBOOK, re.MULTILINE) == list(WORDS)


def counted() -> set[str]:
    """The name of every time series that some process may expose."""
    metrics = Metrics()
    registry: CollectorRegistry = metrics.registry
    engine = engine_from("postgresql://nobody@localhost/nothing")
    WatchVotes(engine, registry)
    SoundAlarms(engine, registry)
    MeasureProgramme(engine, Economy, registry)
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
    return {family.name + suffix for family in registry.collect() for suffix in suffixes[family.type]}


def test_the_dashboard_names_only_what_is_counted():
    dashboard = json.loads((HOUSE / "docs/grafana.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    names = {name for expression in asked for name in re.findall(r"xuankuan_\w+", expression)}
    assert names
    assert names - counted() == set()
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_every_figure_of_the_handbook_names_the_command_that_makes_it():
    table = HANDBOOK.split("| what | figure | command |")[1].split("\n\n")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and "---" not in line]
    assert rows
    assert all(re.search(r"`python -m \w+(\.\w+)*[^`]*` \|$", row) for row in rows), rows
