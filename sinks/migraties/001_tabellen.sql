-- What the sink writes. It may write any row again, in any order, whole or torn: rows collapse by their sorting key,
-- and which of two stays depends on the rows alone. Partitions follow aangeleverd_op, which is one for a whole run, so
-- that equal keys always meet in the same partition. No column holds a BSN.

CREATE TABLE IF NOT EXISTS runs
(
    leverancier String COMMENT 'BerichtLeverancierID of the batch: in whose name it is counted',
    batch_id UUID COMMENT 'BatchID; a resend has the same one',
    proceskenmerk UUID COMMENT 'Unique key of this run over the batch; a resend gets a new one',
    aangeleverd_door String COMMENT 'OIN of who was authenticated when the batch was delivered',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When this run was at the door; the norm counts from here',
    aanmaakdatum DateTime64(3, 'UTC') DEFAULT toDateTime64(0, 3, 'UTC') COMMENT 'AanmaakDatum of the batch; 1970 where it could not be read',
    totaal UInt16 COMMENT 'Number of messages in the batch',
    bericht_ids Array(UUID) COMMENT 'BerichtIDs in the order of the batch; the zero GUID where it could not be read',
    berichttypes Array(LowCardinality(String)) COMMENT 'Berichttypes in the order of the batch; ONBEKEND where it could not be read',
    volgorde UInt64 COMMENT 'Offset in topic batch; the highest of a batch is its latest run'
)
ENGINE = ReplacingMergeTree(volgorde)
PARTITION BY toMonday(aangeleverd_op)
ORDER BY (leverancier, batch_id, proceskenmerk)
COMMENT 'Delivered batches, one row for each run (from topic batch)';

CREATE TABLE IF NOT EXISTS uitkomsten
(
    leverancier String COMMENT 'BerichtLeverancierID of the batch: in whose name it is counted',
    batch_id UUID COMMENT 'BatchID; a resend has the same one',
    proceskenmerk UUID COMMENT 'Unique key of the run that decided',
    nummer UInt16 COMMENT 'Place of the message in the batch, from 1',
    bericht_id UUID COMMENT 'BerichtID; the zero GUID where it could not be read',
    berichttype LowCardinality(String) COMMENT 'BerichtType; ONBEKEND where it could not be read',
    code LowCardinality(String) COMMENT 'VerwerkingsCode',
    stadium LowCardinality(String) COMMENT 'Stage in which the message stopped; NA: none',
    reden String COMMENT 'What a message that broke the schema broke, as element and rule, never a value',
    waarschuwingen Array(LowCardinality(String)) COMMENT 'Codes of the warnings on the bijlagen',
    diensten Array(String) COMMENT 'Dienst IDs linked to the berichttype at the moment of the decision',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When the run was at the door',
    verwerkt_op DateTime64(3, 'UTC') COMMENT 'When the message was decided',
    publicatiedatum DateTime64(3, 'UTC') COMMENT 'From when a placed message may be seen; 1970: at once',
    ontvanger String COMMENT 'Pseudonym of the citizen of a placed message: key id and keyed HMAC; empty: not placed',
    object String COMMENT 'Name of the object in the message store that holds the placed message; empty: not placed',
    volgorde UInt64 COMMENT 'Offset in topic validatie; of two decisions on one message the lowest stands',
    voorrang UInt64 MATERIALIZED bitNot(volgorde) COMMENT 'Higher for an earlier decision: of equal keys the highest stays'
)
ENGINE = ReplacingMergeTree(voorrang)
PARTITION BY toMonday(aangeleverd_op)
ORDER BY (leverancier, batch_id, proceskenmerk, nummer)
SETTINGS index_granularity = 1024
COMMENT 'Decisions, one row for each message of a run (from topic validatie); the first decision stands';

-- Small granules and small compressed blocks: a look-up of a thousand scattered keys reads little around each.
CREATE TABLE IF NOT EXISTS bekend
(
    sleutel UInt64 COMMENT 'Hash of leverancier and BerichtID, or of leverancier and Proceskenmerk where the BerichtID could not be read',
    leverancier String COMMENT 'BerichtLeverancierID of the batch',
    bericht_id UUID COMMENT 'BerichtID; the zero GUID where it could not be read',
    proceskenmerk UUID COMMENT 'Unique key of the run that decided',
    nummer UInt16 COMMENT 'Place of the message in the batch, from 1',
    code LowCardinality(String) COMMENT 'VerwerkingsCode',
    voorrang UInt64 COMMENT 'Higher for an earlier decision: of equal keys the highest stays'
)
ENGINE = ReplacingMergeTree(voorrang)
PRIMARY KEY sleutel
ORDER BY (sleutel, proceskenmerk, nummer)
SETTINGS index_granularity = 256, min_compress_block_size = 2048, max_compress_block_size = 4096
COMMENT 'Which messages have a decision: the look-up for duplicates, filled from uitkomsten';

CREATE MATERIALIZED VIEW IF NOT EXISTS bekend_uit_uitkomsten TO bekend
(
    sleutel UInt64 COMMENT 'Hash of leverancier and BerichtID, or of leverancier and Proceskenmerk where the BerichtID could not be read',
    leverancier String COMMENT 'BerichtLeverancierID of the batch',
    bericht_id UUID COMMENT 'BerichtID; the zero GUID where it could not be read',
    proceskenmerk UUID COMMENT 'Unique key of the run that decided',
    nummer UInt16 COMMENT 'Place of the message in the batch, from 1',
    code LowCardinality(String) COMMENT 'VerwerkingsCode',
    voorrang UInt64 COMMENT 'Higher for an earlier decision: of equal keys the highest stays'
)
AS SELECT
    cityHash64(
        leverancier,
        if(bericht_id = toUUID('00000000-0000-0000-0000-000000000000'), proceskenmerk, bericht_id)
    ) AS sleutel,
    leverancier, bericht_id, proceskenmerk, nummer, code, voorrang
FROM uitkomsten
COMMENT 'Fills bekend';

CREATE TABLE IF NOT EXISTS resultaten
(
    leverancier String COMMENT 'BerichtLeverancierID of the batch',
    batch_id UUID COMMENT 'BatchID',
    proceskenmerk UUID COMMENT 'Unique key of the run that was answered',
    verwerkt_op DateTime64(3, 'UTC') COMMENT 'When the last message of the run was decided',
    totaal UInt16 COMMENT 'Number of messages in the batch',
    per_code Map(LowCardinality(String), UInt32) COMMENT 'Number of messages for each VerwerkingsCode'
)
ENGINE = ReplacingMergeTree
ORDER BY (leverancier, batch_id, proceskenmerk)
COMMENT 'Runs that are finished and answered (from topic resultaat)';

CREATE TABLE IF NOT EXISTS open_runs
(
    leverancier String COMMENT 'BerichtLeverancierID of the batch',
    batch_id UUID COMMENT 'BatchID',
    proceskenmerk UUID COMMENT 'Unique key of the run',
    aangeleverd_door String COMMENT 'OIN of who delivered this run',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When this run was at the door',
    aanmaakdatum DateTime64(3, 'UTC') COMMENT 'AanmaakDatum of the batch; 1970 where it could not be read',
    totaal UInt16 COMMENT 'Number of messages in the batch'
)
ENGINE = ReplacingMergeTree
ORDER BY (leverancier, batch_id, proceskenmerk)
COMMENT 'Work list, so that looking for open runs costs nothing for the answered ones: all runs without a result, and some with one, which are deleted from time to time';

CREATE MATERIALIZED VIEW IF NOT EXISTS open_runs_uit_runs TO open_runs
(
    leverancier String COMMENT 'BerichtLeverancierID of the batch',
    batch_id UUID COMMENT 'BatchID',
    proceskenmerk UUID COMMENT 'Unique key of the run',
    aangeleverd_door String COMMENT 'OIN of who delivered this run',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When this run was at the door',
    aanmaakdatum DateTime64(3, 'UTC') COMMENT 'AanmaakDatum of the batch; 1970 where it could not be read',
    totaal UInt16 COMMENT 'Number of messages in the batch'
)
AS SELECT leverancier, batch_id, proceskenmerk, aangeleverd_door, aangeleverd_op, aanmaakdatum, totaal
FROM runs
COMMENT 'Fills open_runs';

CREATE TABLE IF NOT EXISTS voortgang
(
    topic String COMMENT 'Name of the topic',
    topic_id String COMMENT 'UUID of the topic: one that was made anew starts anew',
    partitie UInt32 COMMENT 'Partition of the topic',
    volgende UInt64 COMMENT 'Offset of the first record that is not in ClickHouse yet; the highest counts'
)
ENGINE = ReplacingMergeTree(volgende)
ORDER BY (topic, topic_id, partitie)
COMMENT 'How far the sink is';

CREATE OR REPLACE VIEW onbeantwoord
(
    leverancier String COMMENT 'BerichtLeverancierID of the batch',
    batch_id UUID COMMENT 'BatchID',
    proceskenmerk UUID COMMENT 'Unique key of the run',
    aangeleverd_door String COMMENT 'OIN of who delivered this run',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When this run was at the door',
    aanmaakdatum DateTime64(3, 'UTC') COMMENT 'AanmaakDatum of the batch; 1970 where it could not be read',
    totaal UInt16 COMMENT 'Number of messages in the batch',
    besloten UInt64 COMMENT 'How many of its messages have a decision'
)
AS
WITH zonder_resultaat AS
(
    SELECT *
    FROM open_runs FINAL
    WHERE (leverancier, batch_id, proceskenmerk) NOT IN
    (
        SELECT leverancier, batch_id, proceskenmerk
        FROM resultaten
        WHERE (leverancier, batch_id, proceskenmerk) IN (SELECT leverancier, batch_id, proceskenmerk FROM open_runs)
    )
)
SELECT o.*, u.besloten AS besloten
FROM zonder_resultaat AS o
LEFT JOIN
(
    SELECT leverancier, batch_id, proceskenmerk, uniqExact(nummer) AS besloten
    FROM uitkomsten
    WHERE (leverancier, batch_id, proceskenmerk) IN
        (SELECT leverancier, batch_id, proceskenmerk FROM zonder_resultaat)
    GROUP BY leverancier, batch_id, proceskenmerk
) AS u ON o.leverancier = u.leverancier AND o.batch_id = u.batch_id AND o.proceskenmerk = u.proceskenmerk
COMMENT 'Runs that have no result yet, with how far they are';
