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
VASTGELOPEN = Gauge(
    "berichtenstroom_vastgelopen",
    "1 while this part gives no sign for half of what BERICHTENSTROOM_VASTGELOPEN_S allows, though there is work. Then "
    "the process ends itself with code 3: its log says where the part stood.",
    ["deel"],
)
WACHT_OP = Gauge("berichtenstroom_wacht_op", "1 while the agent waits for this part because it is away.", ["deel"])
WACHTEND = Gauge(
    "berichtenstroom_wachtend",
    "Slices that wait in topic `wacht` for a service that faults or is away. High: look at the profile service and the "
    "message store; they are decided when it answers again, or end in TechnischProbleem after `geduld_s`.",
)
SINK_RIJEN = Counter(
    "berichtenstroom_sink_rijen", "Rows confirmed by ClickHouse, by table; repeats included.", ["tabel"]
)
SINK_SECONDEN = Histogram("berichtenstroom_sink_seconden", "Seconds of one round of inserts and its progress.")
AANGEBODEN = Counter(
    "berichtenstroom_aangeboden",
    "Slices of runs that fell silent, offered again. Rising while nothing waits for an outage: slices are skipped, "
    "look why in the workers' logs and in `dlq`.",
)
TERZIJDE = Counter(
    "berichtenstroom_terzijde",
    "Records that cannot be read and were set aside in `dlq`, by topic. Any: `berichtenstroom dlq toon` says which.",
    ["topic"],
)
VERLOREN = Gauge(
    "berichtenstroom_verloren",
    "Open runs that can never be offered again, since `batch` no longer holds them. Deliver those that the log names.",
)
RESULTATEN = Counter("berichtenstroom_resultaten", "Results of runs written to `resultaat`.")
NOTIFICATIES = Counter("berichtenstroom_notificaties", "Notifications written to `notificatie`.")
TE_NOTIFICEREN = Gauge(
    "berichtenstroom_te_notificeren",
    "Placed messages of this worker's partitions that can be seen and whose citizen is not told yet. High: look in its "
    "log whether Kafka or ClickHouse is away or a berichttype is missing; else add workers.",
)
GEKEURD = Counter(
    "berichtenstroom_bijlagen_gekeurd",
    "PDFs checked, by outcome: akkoord, waarschuwing, afgebroken (it asked too much), or uitgesteld (store or process "
    "away: tried again when it is asked for again). Many uitgesteld: look at the object store.",
    ["uitkomst"],
)
KEURTIJD = Histogram(
    "berichtenstroom_bijlage_keur_seconden",
    "Seconds to fetch and check one PDF, without its turn. High: the store is slow, or the machine has no CPU left.",
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
TE_KEUREN = Gauge(
    "berichtenstroom_bijlagen_te_keuren",
    "PDFs whose verdict is asked for and not yet stored. High: more processes for the check, or ClickHouse is away.",
)
