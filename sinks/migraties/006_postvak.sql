-- The post of each citizen, by pseudonym, so that a look-up costs what is in his box and not the history. A row here may
-- come from a decision that did not stand: who reads it checks it against uitkomsten.

CREATE TABLE IF NOT EXISTS postvak
(
    ontvanger String COMMENT 'Pseudonym of the citizen: key id and keyed HMAC',
    leverancier String COMMENT 'BerichtLeverancierID of the batch',
    berichttype LowCardinality(String) COMMENT 'BerichtType',
    batch_id UUID COMMENT 'BatchID',
    proceskenmerk UUID COMMENT 'Unique key of the run that placed the message',
    nummer UInt16 COMMENT 'Place of the message in the batch, from 1',
    bericht_id UUID COMMENT 'BerichtID',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When the run was at the door: in which partition of uitkomsten to look',
    publicatiedatum DateTime64(3, 'UTC') COMMENT 'From when the message may be seen; 1970: at once',
    voorrang UInt64 COMMENT 'Higher for an earlier decision: of equal keys the highest stays'
)
ENGINE = ReplacingMergeTree(voorrang)
PRIMARY KEY ontvanger
ORDER BY (ontvanger, leverancier, berichttype, batch_id, proceskenmerk, nummer)
SETTINGS index_granularity = 1024
COMMENT 'Placed messages by citizen: the look-up for inzage, filled from uitkomsten';

CREATE MATERIALIZED VIEW IF NOT EXISTS postvak_uit_uitkomsten TO postvak
(
    ontvanger String COMMENT 'Pseudonym of the citizen: key id and keyed HMAC',
    leverancier String COMMENT 'BerichtLeverancierID of the batch',
    berichttype LowCardinality(String) COMMENT 'BerichtType',
    batch_id UUID COMMENT 'BatchID',
    proceskenmerk UUID COMMENT 'Unique key of the run that placed the message',
    nummer UInt16 COMMENT 'Place of the message in the batch, from 1',
    bericht_id UUID COMMENT 'BerichtID',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When the run was at the door: in which partition of uitkomsten to look',
    publicatiedatum DateTime64(3, 'UTC') COMMENT 'From when the message may be seen; 1970: at once',
    voorrang UInt64 COMMENT 'Higher for an earlier decision: of equal keys the highest stays'
)
AS SELECT
    ontvanger, leverancier, berichttype, batch_id, proceskenmerk, nummer, bericht_id, aangeleverd_op, publicatiedatum,
    voorrang
FROM uitkomsten
WHERE code = 'Verwerkt' AND ontvanger != ''
COMMENT 'Fills postvak';

-- What was decided before the view was there. What comes in meanwhile, or a second time, collapses.
INSERT INTO postvak
SELECT
    ontvanger, leverancier, berichttype, batch_id, proceskenmerk, nummer, bericht_id, aangeleverd_op, publicatiedatum,
    voorrang
FROM uitkomsten
WHERE code = 'Verwerkt' AND ontvanger != '';
