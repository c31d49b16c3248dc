-- What analysts and ops ask. 'verwerkt' holds 'waarschuwing'; berichten = verwerkt + niet_verwerkt + in_behandeling.

CREATE OR REPLACE VIEW berichtverwerking_per_run
(
    leverancier String COMMENT 'BerichtLeverancierID of the batch: in whose name it is counted',
    batch_id UUID COMMENT 'BatchID',
    aangeleverd_door String COMMENT 'OIN of who delivered this run',
    proceskenmerk UUID COMMENT 'Unique key of this run',
    ontvangen_op DateTime64(3, 'UTC') COMMENT 'When the batch was first at the door',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When this run was at the door',
    verwerkt_op Nullable(DateTime64(3, 'UTC')) COMMENT 'When the last message of this run was decided; empty until afgerond',
    totaal UInt64 COMMENT 'Number of messages in this run',
    verwerkt UInt64 COMMENT 'Messages that this run placed, with or without a warning',
    waarschuwing UInt64 COMMENT 'Messages that this run placed with a warning',
    niet_verwerkt UInt64 COMMENT 'Messages that this run did not place',
    in_behandeling UInt64 COMMENT 'Messages without an outcome yet',
    afgerond Bool COMMENT 'Whether every message of this run has its outcome',
    run UInt64 COMMENT 'Order of the runs of a batch: the highest is the latest',
    runs UInt64 COMMENT 'How many runs the batch has'
)
AS SELECT
    l.leverancier AS leverancier, l.batch_id AS batch_id, l.aangeleverd_door AS aangeleverd_door,
    l.proceskenmerk AS proceskenmerk, l.ontvangen_op AS ontvangen_op, l.aangeleverd_op AS aangeleverd_op,
    if(b.besloten = l.totaal, toNullable(b.laatst_verwerkt_op), NULL) AS verwerkt_op,
    toUInt64(l.totaal) AS totaal, b.verwerkt AS verwerkt, b.waarschuwing AS waarschuwing,
    b.besloten - b.verwerkt AS niet_verwerkt, l.totaal - b.besloten AS in_behandeling,
    b.besloten = l.totaal AS afgerond, l.run AS run, l.runs AS runs
FROM leveringen AS l
LEFT JOIN
(
    SELECT
        leverancier, batch_id, proceskenmerk, aangeleverd_op,
        count() AS besloten,
        countIf(code = 'Verwerkt') AS verwerkt,
        countIf(code = 'Verwerkt' AND notEmpty(waarschuwingen)) AS waarschuwing,
        max(verwerkt_op) AS laatst_verwerkt_op
    FROM uitkomsten FINAL
    GROUP BY leverancier, batch_id, proceskenmerk, aangeleverd_op
) AS b
    ON l.leverancier = b.leverancier AND l.batch_id = b.batch_id
    AND l.proceskenmerk = b.proceskenmerk AND l.aangeleverd_op = b.aangeleverd_op
COMMENT 'Every run of every batch apart, with its own outcomes';

CREATE OR REPLACE VIEW berichtverwerking
(
    leverancier String COMMENT 'BerichtLeverancierID of the batch: in whose name it is counted',
    batch_id UUID COMMENT 'BatchID',
    aangeleverd_door String COMMENT 'OIN of who delivered the latest run',
    proceskenmerk UUID COMMENT 'Unique key of the latest run',
    ontvangen_op DateTime64(3, 'UTC') COMMENT 'When the batch was first at the door',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When its latest run was at the door',
    verwerkt_op Nullable(DateTime64(3, 'UTC')) COMMENT 'When the last message was decided; empty until afgerond',
    totaal UInt64 COMMENT 'Number of messages (grey)',
    verwerkt UInt64 COMMENT 'Messages placed in the Berichtenbox, with or without a warning (green and orange)',
    waarschuwing UInt64 COMMENT 'Messages placed with a warning (orange)',
    niet_verwerkt UInt64 COMMENT 'Messages not placed (red)',
    in_behandeling UInt64 COMMENT 'Messages without an outcome yet',
    afgerond Bool COMMENT 'Whether every message has its outcome'
)
AS
-- Of one run both times are the same, and a filter on this one spares reading other weeks.
SELECT
    leverancier, batch_id, aangeleverd_door, proceskenmerk, aangeleverd_op AS ontvangen_op, aangeleverd_op, verwerkt_op,
    totaal, verwerkt, waarschuwing, niet_verwerkt, in_behandeling, afgerond
FROM berichtverwerking_per_run
WHERE runs = 1
UNION ALL
SELECT
    l.leverancier, l.batch_id, l.aangeleverd_door, l.proceskenmerk, l.ontvangen_op, l.aangeleverd_op,
    if(b.in_behandeling = 0, b.laatst_verwerkt_op, NULL),
    b.totaal, b.verwerkt, b.waarschuwing, b.niet_verwerkt, b.in_behandeling, b.in_behandeling = 0
FROM leveringen AS l
INNER JOIN
(
    SELECT
        leverancier, batch_id,
        count() AS totaal,
        countIf(code = 'Verwerkt') AS verwerkt,
        countIf(status = 'waarschuwing') AS waarschuwing,
        countIf(status = 'niet_verwerkt') AS niet_verwerkt,
        countIf(status = 'in_behandeling') AS in_behandeling,
        max(verwerkt_op) AS laatst_verwerkt_op
    FROM berichten_herhaald
    GROUP BY leverancier, batch_id
) AS b ON l.leverancier = b.leverancier AND l.batch_id = b.batch_id
WHERE l.run = l.laatste_run
COMMENT 'Batches, one row each, counted over their runs';

CREATE OR REPLACE VIEW totalen
(
    leverancier String COMMENT 'BerichtLeverancierID: in whose name it is counted',
    batches UInt64 COMMENT 'Number of batches',
    berichten UInt64 COMMENT 'Number of messages (grey)',
    verwerkt UInt64 COMMENT 'Messages placed in the Berichtenbox, with or without a warning (green and orange)',
    waarschuwing UInt64 COMMENT 'Messages placed with a warning (orange)',
    niet_verwerkt UInt64 COMMENT 'Messages not placed (red)',
    in_behandeling UInt64 COMMENT 'Messages without an outcome yet'
)
AS SELECT
    leverancier,
    count() AS batches,
    sum(b.totaal) AS berichten,
    sum(b.verwerkt) AS verwerkt,
    sum(b.waarschuwing) AS waarschuwing,
    sum(b.niet_verwerkt) AS niet_verwerkt,
    sum(b.in_behandeling) AS in_behandeling
FROM berichtverwerking AS b
GROUP BY leverancier
COMMENT 'What each leverancier sent, and what became of it';

CREATE OR REPLACE VIEW fouten
(
    leverancier String COMMENT 'BerichtLeverancierID: in whose name it is counted',
    code LowCardinality(String) COMMENT 'VerwerkingsCode',
    stadium LowCardinality(String) COMMENT 'Stage in which the messages stopped; NA: none',
    aantal UInt64 COMMENT 'Number of messages'
)
AS SELECT leverancier, code, stadium, count() AS aantal
FROM berichten
WHERE status = 'niet_verwerkt'
GROUP BY leverancier, code, stadium
COMMENT 'Why messages were not placed';

CREATE OR REPLACE VIEW waarschuwingen
(
    leverancier String COMMENT 'BerichtLeverancierID: in whose name it is counted',
    code LowCardinality(String) COMMENT 'Code of the warning',
    stadium LowCardinality(String) COMMENT 'Stage of the messages: NA, since they were placed',
    aantal UInt64 COMMENT 'Number of messages that have this warning; a message can have several'
)
AS SELECT leverancier, waarschuwing AS code, stadium, count() AS aantal
FROM berichten
ARRAY JOIN arrayDistinct(waarschuwingen) AS waarschuwing
WHERE status = 'waarschuwing'
GROUP BY leverancier, waarschuwing, stadium
COMMENT 'Which warnings placed messages have';

-- Milliseconds since 1970: van <= aangeleverd_op < tot, judged at nu.
CREATE OR REPLACE VIEW sla_over
AS
WITH
    86400000 AS norm_ms,
    if(status = 'in_behandeling', {nu:Int64}, toUnixTimestamp64Milli(assumeNotNull(verwerkt_op)))
        - toUnixTimestamp64Milli(aangeleverd_op) AS duur_ms,
    status != 'in_behandeling' AS besloten,
    quantilesExactWeightedIf(0.5, 0.95, 0.99)(duur_ms, 1, besloten) AS percentielen,
    countIf(duur_ms > norm_ms) AS te_laat,
    countIf(besloten AND duur_ms <= norm_ms) AS op_tijd
SELECT
    leverancier,
    count() AS berichten,
    if(op_tijd + te_laat = 0, NULL, op_tijd / (op_tijd + te_laat)) AS binnen_norm,
    if(countIf(besloten) = 0, NULL, percentielen[1] / 1000) AS p50_s,
    if(countIf(besloten) = 0, NULL, percentielen[2] / 1000) AS p95_s,
    if(countIf(besloten) = 0, NULL, percentielen[3] / 1000) AS p99_s,
    if(countIf(besloten) = 0, NULL, maxIf(duur_ms, besloten) / 1000) AS max_s,
    te_laat AS overschreden,
    countIf(NOT besloten) AS open,
    if(open = 0, NULL, maxIf(duur_ms, NOT besloten) / 1000) AS oudste_open_s
FROM berichten
WHERE aangeleverd_op >= fromUnixTimestamp64Milli({van:Int64}, 'UTC')
    AND aangeleverd_op < fromUnixTimestamp64Milli({tot:Int64}, 'UTC')
GROUP BY leverancier
COMMENT 'The 24-hour norm for messages whose run was at the door in a period';

CREATE OR REPLACE VIEW sla
(
    leverancier String COMMENT 'BerichtLeverancierID: in whose name it is counted',
    berichten UInt64 COMMENT 'Number of messages',
    binnen_norm Nullable(Float64) COMMENT 'Share (0-1) within 24 hours of those decided or already later; empty when there are none',
    p50_s Nullable(Float64) COMMENT 'Seconds from aangeleverd_op to verwerkt_op that half of the decided messages took at most',
    p95_s Nullable(Float64) COMMENT 'Likewise for 95 in 100',
    p99_s Nullable(Float64) COMMENT 'Likewise for 99 in 100',
    max_s Nullable(Float64) COMMENT 'Seconds that the slowest decided message took',
    overschreden UInt64 COMMENT 'Messages that took more than 24 hours, those still open included',
    open UInt64 COMMENT 'Messages without an outcome yet',
    oudste_open_s Nullable(Float64) COMMENT 'Age in seconds of the oldest open message; empty when there is none'
)
AS SELECT * FROM sla_over(van = -9000000000000, tot = 9000000000000, nu = toUnixTimestamp64Milli(now64(3)))
COMMENT 'The 24-hour norm over all messages, as it stands now';
