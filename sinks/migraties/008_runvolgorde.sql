-- A record of topic batch that stands there once more is a replay, not a new delivery: of equal keys the first one says
-- where a run stands among those of its batch. The table runs keeps the last one.

CREATE TABLE IF NOT EXISTS eerste_runs
(
    leverancier String COMMENT 'BerichtLeverancierID of the batch: in whose name it is counted',
    batch_id UUID COMMENT 'BatchID; a resend has the same one',
    proceskenmerk UUID COMMENT 'Unique key of this run over the batch; a resend gets a new one',
    aangeleverd_door String COMMENT 'OIN of who was authenticated when the batch was delivered',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When this run was at the door; the norm counts from here',
    aanmaakdatum DateTime64(3, 'UTC') COMMENT 'AanmaakDatum of the batch; 1970 where it could not be read',
    totaal UInt16 COMMENT 'Number of messages in the batch',
    volgorde UInt64 COMMENT 'Offset in topic batch where it first stood; the highest of a batch is its latest run',
    voorrang UInt64 MATERIALIZED bitNot(volgorde) COMMENT 'Higher for an earlier record: of equal keys the highest stays'
)
ENGINE = ReplacingMergeTree(voorrang)
PARTITION BY toMonday(aangeleverd_op)
ORDER BY (leverancier, batch_id, proceskenmerk)
COMMENT 'Delivered batches without what they hold, one row for each run, as it first stood in topic batch';

CREATE MATERIALIZED VIEW IF NOT EXISTS eerste_runs_uit_runs TO eerste_runs
(
    leverancier String COMMENT 'BerichtLeverancierID of the batch: in whose name it is counted',
    batch_id UUID COMMENT 'BatchID; a resend has the same one',
    proceskenmerk UUID COMMENT 'Unique key of this run over the batch; a resend gets a new one',
    aangeleverd_door String COMMENT 'OIN of who was authenticated when the batch was delivered',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When this run was at the door; the norm counts from here',
    aanmaakdatum DateTime64(3, 'UTC') COMMENT 'AanmaakDatum of the batch; 1970 where it could not be read',
    totaal UInt16 COMMENT 'Number of messages in the batch',
    volgorde UInt64 COMMENT 'Offset in topic batch where it first stood; the highest of a batch is its latest run'
)
AS SELECT leverancier, batch_id, proceskenmerk, aangeleverd_door, aangeleverd_op, aanmaakdatum, totaal, volgorde
FROM runs
COMMENT 'Fills eerste_runs';

INSERT INTO eerste_runs
    (leverancier, batch_id, proceskenmerk, aangeleverd_door, aangeleverd_op, aanmaakdatum, totaal, volgorde)
SELECT leverancier, batch_id, proceskenmerk, aangeleverd_door, aangeleverd_op, aanmaakdatum, totaal, volgorde
FROM runs;

CREATE OR REPLACE VIEW leveringen
(
    leverancier String COMMENT 'BerichtLeverancierID of the batch',
    batch_id UUID COMMENT 'BatchID',
    proceskenmerk UUID COMMENT 'Unique key of the run',
    aangeleverd_door String COMMENT 'OIN of who delivered this run',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When this run was at the door',
    totaal UInt16 COMMENT 'Number of messages in this run',
    run UInt64 COMMENT 'Order of the runs of a batch: the highest is the latest',
    ontvangen_op DateTime64(3, 'UTC') COMMENT 'When the batch was first at the door',
    laatste_run UInt64 COMMENT 'The run of the batch that is the latest',
    runs UInt64 COMMENT 'How many runs the batch has'
)
AS SELECT
    leverancier, batch_id, proceskenmerk, aangeleverd_door, aangeleverd_op, totaal, volgorde AS run,
    min(aangeleverd_op) OVER (PARTITION BY leverancier, batch_id) AS ontvangen_op,
    max(volgorde) OVER (PARTITION BY leverancier, batch_id) AS laatste_run,
    count() OVER (PARTITION BY leverancier, batch_id) AS runs
FROM eerste_runs FINAL
COMMENT 'Every run, beside what its batch says of it';
