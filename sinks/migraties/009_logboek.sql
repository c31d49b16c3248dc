-- The processing log, after Logius's standard Logboek Dataverwerkingen: a row for each record of topic logboek, so that
-- logging costs little, and a view that shows a line for each message. Who it was about stands here encrypted; the
-- digest by which someone's lines are found is keyed. The term that rows are kept is a setting: see migreer.

CREATE TABLE IF NOT EXISTS logboekregels
(
    proceskenmerk UUID COMMENT 'Unique key of the run that processed the messages',
    eerste UInt16 COMMENT 'The first of nummers: no two records of a run share it at one offset',
    volgorde UInt64 COMMENT 'Offset in topic logboek',
    leverancier LowCardinality(String) COMMENT 'BerichtLeverancierID of the batch',
    batch_id UUID COMMENT 'BatchID',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When the run was at the door',
    verwerkt_op DateTime64(3, 'UTC') COMMENT 'When the messages were decided',
    verwerkingsactiviteit LowCardinality(String) COMMENT 'URI of the processing activity in the register',
    sleutel LowCardinality(String) COMMENT 'Name of the key of ring logboek that hid the data subjects',
    nummers Array(UInt16) COMMENT 'Places of the messages in the batch, from 1',
    codes Array(LowCardinality(String)) COMMENT 'VerwerkingsCode of each message',
    betrokkenen String COMMENT 'BSN of each message, encrypted: 25 bytes each, zeros where there was none to read',
    zoeksleutels Array(FixedString(16)) COMMENT 'Keyed digest of each BSN, zeros where there was none to read',
    INDEX zoek zoeksleutels TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(verwerkt_op)
ORDER BY (proceskenmerk, eerste, volgorde)
SETTINGS index_granularity = 64, ttl_only_drop_parts = 1
COMMENT 'The processing log, one row for each record of topic logboek';

CREATE OR REPLACE VIEW logboek
(
    trace_id String COMMENT 'The Proceskenmerk of the run, as 32 hexadecimal digits',
    operation_id String COMMENT 'The processing of one message, as 16 hexadecimal digits: the same however often it is computed; later drafts of the standard call it span_id',
    status_code Enum8('STATUS_CODE_UNSET' = 0, 'STATUS_CODE_OK' = 1, 'STATUS_CODE_ERROR' = 2) COMMENT 'OK: placed; UNSET: processed in order, and not placed; ERROR: something on our side failed',
    name LowCardinality(String) COMMENT 'What was done, for people',
    start_time DateTime64(3, 'UTC') COMMENT 'When the batch was at the door',
    end_time DateTime64(3, 'UTC') COMMENT 'When the message was decided',
    `dpl.core.processing_activity_id` LowCardinality(String) COMMENT 'URI of the processing activity in the register',
    `dpl.core.data_subject_id` String COMMENT 'BSN of the citizen, encrypted: name of the key, a colon, hexadecimal digits; empty where it could not be read',
    `dpl.core.data_subject_id_type` LowCardinality(String) COMMENT 'BSN; empty where there is no data subject',
    leverancier LowCardinality(String) COMMENT 'BerichtLeverancierID of the batch',
    batch_id UUID COMMENT 'BatchID',
    proceskenmerk UUID COMMENT 'Unique key of the run',
    nummer UInt16 COMMENT 'Place of the message in the batch, from 1',
    code LowCardinality(String) COMMENT 'VerwerkingsCode',
    zoeksleutel FixedString(16) COMMENT 'Keyed digest of the BSN; zeros where it could not be read'
)
AS SELECT
    lower(hex(proceskenmerk)) AS trace_id,
    lower(hex(substring(SHA256(concat(toString(proceskenmerk), ':', toString(nummer))), 1, 8))) AS operation_id,
    CAST(multiIf(code = 'Verwerkt', 1, code = 'TechnischProbleem', 2, 0),
        'Enum8(\'STATUS_CODE_UNSET\' = 0, \'STATUS_CODE_OK\' = 1, \'STATUS_CODE_ERROR\' = 2)') AS status_code,
    multiIf(
        code = 'Verwerkt', 'Bericht geplaatst in de Berichtenbox',
        code = 'TechnischProbleem', 'Bericht niet geplaatst door een technisch probleem',
        'Bericht beoordeeld en niet geplaatst'
    ) AS name,
    aangeleverd_op AS start_time,
    verwerkt_op AS end_time,
    verwerkingsactiviteit AS `dpl.core.processing_activity_id`,
    if(`dpl.core.data_subject_id_type` = '', '',
        concat(sleutel, ':', lower(hex(substring(betrokkenen, 25 * (plaats - 1) + 1, 25))))) AS `dpl.core.data_subject_id`,
    if(zoeksleutel = toFixedString('', 16), '', 'BSN') AS `dpl.core.data_subject_id_type`,
    leverancier, batch_id, proceskenmerk, nummer, code, zoeksleutel
FROM logboekregels FINAL
ARRAY JOIN nummers AS nummer, codes AS code, zoeksleutels AS zoeksleutel, arrayEnumerate(nummers) AS plaats
COMMENT 'The processing log in the names of Logius standard Logboek Dataverwerkingen, one line for each decided message';
