"""Every metric of a worker: what it means, and what to turn when it is high."""

from prometheus_client import Counter, Gauge, Histogram

BATCHES_GESPLITST = Counter("berichtenstroom_batches_gesplitst", "Batches cut in slices and durable in `bericht`.")
BESLIST = Counter(
    "berichtenstroom_beslist", "Messages decided, by code. Replays that change nothing are not counted.", ["code"]
)
SLICES_OVERGENOMEN = Counter(
    "berichtenstroom_slices_overgenomen",
    "Slices whose messages were all decided before: replays after a crash or rebalance.",
)
ONTEIGEND = Counter(
    "berichtenstroom_onteigend",
    "Times another worker fenced a partition of ours. Many: workers stall; look at CPU and session time-outs.",
)
ONVERWERKT = Gauge(
    "berichtenstroom_onverwerkt",
    "Decisions not yet visible in ClickHouse. High: the sink or ClickHouse is slow; add workers or look at its merges.",
)
BESLISTIJD = Histogram(
    "berichtenstroom_beslis_seconden",
    "Seconds from a take of slices to their durable decision. High: profile service, store or Kafka is slow.",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
)
WACHT_OP = Gauge("berichtenstroom_wacht_op", "1 while the agent waits for this part because it is away.", ["deel"])
SINK_RIJEN = Counter(
    "berichtenstroom_sink_rijen", "Rows confirmed by ClickHouse, by table; repeats included.", ["tabel"]
)
SINK_SECONDEN = Histogram("berichtenstroom_sink_seconden", "Seconds of one round of inserts and its progress.")
RESULTATEN = Counter("berichtenstroom_resultaten", "Results of runs written to `resultaat`.")
