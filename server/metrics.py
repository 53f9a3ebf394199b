"""What is counted for Prometheus: requests by route and status, answers by outcome, and how long things took."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The metrics of one process, in a registry of its own so that two applications in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "xuankuan_requests_total", "Requests answered.", ("route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "xuankuan_request_seconds", "Time to answer.", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self.answers = Counter(
            "xuankuan_answers_total", "Answers of players by outcome.", ("status", "code"), registry=self.registry
        )
        self.matchups = Counter("xuankuan_matchups_total", "Matchups dealt.", registry=self.registry)
        self.job_seconds = Histogram(
            "xuankuan_job_seconds", "Time of a job's run.", ("job",), buckets=_SECONDS, registry=self.registry
        )
        self.job_last_success = Gauge(
            "xuankuan_job_last_success_timestamp_seconds",
            "When a job last ended well.",
            ("job",),
            registry=self.registry,
        )
        self.job_failures = Counter(
            "xuankuan_job_failures_total", "Job runs that failed.", ("job",), registry=self.registry
        )

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)
