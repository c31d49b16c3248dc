"""The front's metrics, each with what it means and what to do when it is high."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

REQUESTS = Counter(
    "clickhouse_embedded_requests",
    "Questions by verb and by ClickHouse's error code (0: answered). Codes 202 and 241: too much load.",
    ["verb", "code"],
    registry=REGISTRY,
)
SECONDS = Histogram(
    "clickhouse_embedded_request_seconds",
    "From the first bytes of a question to the end of its answer, waiting for a place included.",
    ["verb"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
WAITED = Histogram(
    "clickhouse_embedded_wait_seconds",
    "Waiting for a place. When it is high, questions are slow or --queries is low.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
RUNNING = Gauge(
    "clickhouse_embedded_running", "Questions that the engine works on now; at most --queries.", registry=REGISTRY
)
WRITTEN_ROWS = Counter("clickhouse_embedded_written_rows", "Rows written by INSERTs.", registry=REGISTRY)
READ_ROWS = Counter("clickhouse_embedded_read_rows", "Rows read from tables.", registry=REGISTRY)
