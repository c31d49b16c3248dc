-- Which citizens are still to be told of a placed message, and which were. Both tables are in the order in which
-- notifications are due, so that a look for what is due reads neither what is done nor what is far ahead.

CREATE TABLE IF NOT EXISTS te_notificeren
(
    zichtbaar_op DateTime64(3, 'UTC') COMMENT 'From when the message can be seen: its PublicatieDatum, or when it was placed if that is later',
    proceskenmerk UUID COMMENT 'Unique key of the run that placed the message',
    nummer UInt16 COMMENT 'Place of the message in the batch, from 1',
    batch_id UUID COMMENT 'BatchID',
    bericht_id UUID COMMENT 'BerichtID',
    leverancier String COMMENT 'BerichtLeverancierID of the batch',
    berichttype LowCardinality(String) COMMENT 'BerichtType',
    ontvanger String COMMENT 'Pseudonym of the citizen: key id and keyed HMAC',
    crc UInt32 COMMENT 'CRC-32 of ontvanger: modulo the partitions of topic notificatie it gives the partition',
    publicatiedatum DateTime64(3, 'UTC') COMMENT 'PublicatieDatum of the message; 1970: at once'
)
ENGINE = ReplacingMergeTree
ORDER BY (zichtbaar_op, proceskenmerk, nummer)
SETTINGS index_granularity = 1024
COMMENT 'Work list: all placed messages without a notification, and some with one, which are deleted from time to time';

-- A marker outlives every way in which its message can come into the work list again. Topic validatie keeps a decision
-- 14 days, and the view below takes none that is older than 45, from whatever source its row is inserted; a marker
-- is written after the decision and stays 60 days or more.
CREATE TABLE IF NOT EXISTS genotificeerd
(
    zichtbaar_op DateTime64(3, 'UTC') COMMENT 'From when the message can be seen',
    proceskenmerk UUID COMMENT 'Unique key of the run that placed the message',
    nummer UInt16 COMMENT 'Place of the message in the batch, from 1',
    gemaakt_op DateTime64(3, 'UTC') COMMENT 'When its notification was written'
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(gemaakt_op)
ORDER BY (zichtbaar_op, proceskenmerk, nummer)
TTL toDateTime(gemaakt_op) + INTERVAL 60 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1
COMMENT 'Messages whose notification is in topic notificatie';

CREATE MATERIALIZED VIEW IF NOT EXISTS te_notificeren_uit_uitkomsten TO te_notificeren
(
    zichtbaar_op DateTime64(3, 'UTC') COMMENT 'From when the message can be seen: its PublicatieDatum, or when it was placed if that is later',
    proceskenmerk UUID COMMENT 'Unique key of the run that placed the message',
    nummer UInt16 COMMENT 'Place of the message in the batch, from 1',
    batch_id UUID COMMENT 'BatchID',
    bericht_id UUID COMMENT 'BerichtID',
    leverancier String COMMENT 'BerichtLeverancierID of the batch',
    berichttype LowCardinality(String) COMMENT 'BerichtType',
    ontvanger String COMMENT 'Pseudonym of the citizen: key id and keyed HMAC',
    crc UInt32 COMMENT 'CRC-32 of ontvanger: modulo the partitions of topic notificatie it gives the partition',
    publicatiedatum DateTime64(3, 'UTC') COMMENT 'PublicatieDatum of the message; 1970: at once'
)
AS SELECT
    greatest(publicatiedatum, verwerkt_op) AS zichtbaar_op,
    proceskenmerk, nummer, batch_id, bericht_id, leverancier, berichttype, ontvanger, CRC32(ontvanger) AS crc,
    publicatiedatum
FROM uitkomsten
WHERE code = 'Verwerkt' AND ontvanger != '' AND verwerkt_op > now() - INTERVAL 45 DAY
COMMENT 'Fills te_notificeren; a row here may come from a decision that did not stand, so who reads it looks in bekend';

-- What was placed before there were notifications and is still to appear. A PublicatieDatum is at most 13 days ahead.
INSERT INTO te_notificeren
SELECT
    publicatiedatum, proceskenmerk, nummer, batch_id, bericht_id, leverancier, berichttype, ontvanger,
    CRC32(ontvanger) AS crc, publicatiedatum
FROM uitkomsten
WHERE code = 'Verwerkt' AND ontvanger != '' AND publicatiedatum > now()
    AND publicatiedatum > verwerkt_op AND aangeleverd_op > now() - INTERVAL 14 DAY;
