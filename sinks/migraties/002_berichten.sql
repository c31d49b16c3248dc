-- Messages as they are shown (Domain: Resends). Filters on leverancier and batch_id reach the tables' keys.

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
FROM runs FINAL
COMMENT 'Every run, beside what its batch says of it';

CREATE OR REPLACE VIEW berichten_per_run
(
    leverancier String COMMENT 'BerichtLeverancierID of the batch',
    batch_id UUID COMMENT 'BatchID',
    proceskenmerk UUID COMMENT 'Unique key of the run',
    nummer UInt16 COMMENT 'Place of the message in this run, from 1',
    bericht_id UUID COMMENT 'BerichtID; the zero GUID where it could not be read',
    berichttype LowCardinality(String) COMMENT 'BerichtType; ONBEKEND where it could not be read',
    status LowCardinality(String) COMMENT 'verwerkt, waarschuwing, niet_verwerkt or in_behandeling',
    code LowCardinality(String) COMMENT 'VerwerkingsCode; empty while in_behandeling',
    stadium LowCardinality(String) COMMENT 'Stage in which the message stopped; empty while in_behandeling',
    reden String COMMENT 'What a message that broke the schema broke, as element and rule',
    waarschuwingen Array(LowCardinality(String)) COMMENT 'Codes of the warnings on the bijlagen',
    diensten Array(String) COMMENT 'Dienst IDs linked to the berichttype when it was decided',
    ontvangen_op DateTime64(3, 'UTC') COMMENT 'When the batch was first at the door',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When this run was at the door',
    verwerkt_op Nullable(DateTime64(3, 'UTC')) COMMENT 'When the message was decided; empty while in_behandeling',
    run UInt64 COMMENT 'Order of the runs of a batch: the highest is the latest',
    laatste_run UInt64 COMMENT 'The run of the batch that is the latest',
    runs UInt64 COMMENT 'How many runs the batch has'
)
AS
-- A Proceskenmerk names one batch of one leverancier, so messages are joined on less than the whole key, which is faster.
-- Runs are joined on all of it: a filter on a part then reaches both sides.
SELECT
    u.leverancier AS leverancier, u.batch_id AS batch_id, u.proceskenmerk AS proceskenmerk,
    u.nummer AS nummer, u.bericht_id AS bericht_id, u.berichttype AS berichttype,
    multiIf(u.code != 'Verwerkt', 'niet_verwerkt', notEmpty(u.waarschuwingen), 'waarschuwing', 'verwerkt') AS status,
    u.code AS code, u.stadium AS stadium, u.reden AS reden,
    u.waarschuwingen AS waarschuwingen, u.diensten AS diensten,
    l.ontvangen_op AS ontvangen_op, u.aangeleverd_op AS aangeleverd_op, toNullable(u.verwerkt_op) AS verwerkt_op,
    l.run AS run, l.laatste_run AS laatste_run, l.runs AS runs
FROM uitkomsten AS u FINAL
INNER JOIN leveringen AS l ON u.batch_id = l.batch_id AND u.proceskenmerk = l.proceskenmerk
UNION ALL
SELECT
    r.leverancier, r.batch_id, r.proceskenmerk,
    arrayJoin(arrayExcept(CAST(range(1, r.totaal + 1), 'Array(UInt16)'), o.nummers)) AS open_nummer,
    r.bericht_ids[open_nummer], r.berichttypes[open_nummer],
    'in_behandeling', '', '', '',
    [], [],
    o.ontvangen_op, o.aangeleverd_op, NULL,
    o.run, o.laatste_run, o.runs
FROM runs AS r FINAL
INNER JOIN
(
    SELECT l.*, b.nummers AS nummers
    FROM leveringen AS l
    LEFT JOIN
    (
        SELECT leverancier, batch_id, proceskenmerk, groupUniqArray(nummer) AS nummers
        FROM uitkomsten
        GROUP BY leverancier, batch_id, proceskenmerk
    ) AS b ON l.leverancier = b.leverancier AND l.batch_id = b.batch_id AND l.proceskenmerk = b.proceskenmerk
    WHERE length(b.nummers) < l.totaal
) AS o ON r.leverancier = o.leverancier AND r.batch_id = o.batch_id AND r.proceskenmerk = o.proceskenmerk
COMMENT 'Every message of every run, with what that run made of it';

CREATE OR REPLACE VIEW berichten_herhaald
(
    leverancier String COMMENT 'BerichtLeverancierID of the batch: in whose name it is counted',
    batch_id UUID COMMENT 'BatchID',
    proceskenmerk UUID COMMENT 'Unique key of the run whose outcome is shown',
    nummer UInt16 COMMENT 'Place of the message in the latest run that holds it, from 1',
    bericht_id UUID COMMENT 'BerichtID; the zero GUID where it could not be read',
    berichttype LowCardinality(String) COMMENT 'BerichtType; ONBEKEND where it could not be read',
    status LowCardinality(String) COMMENT 'verwerkt (green), waarschuwing (orange), niet_verwerkt (red) or in_behandeling',
    code LowCardinality(String) COMMENT 'VerwerkingsCode; empty while in_behandeling',
    stadium LowCardinality(String) COMMENT 'Stage in which the message stopped, NA: none; empty while in_behandeling',
    reden String COMMENT 'What a message that broke the schema broke, as element and rule, never a value',
    waarschuwingen Array(LowCardinality(String)) COMMENT 'Codes of the warnings on the bijlagen',
    diensten Array(String) COMMENT 'Dienst IDs linked to the berichttype when it was decided',
    ontvangen_op DateTime64(3, 'UTC') COMMENT 'When the batch was first at the door',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When the run whose outcome is shown was at the door; the norm counts from here',
    verwerkt_op Nullable(DateTime64(3, 'UTC')) COMMENT 'When the message was decided; empty while in_behandeling'
)
AS
WITH
    herhaald AS
    (
        SELECT leverancier, batch_id FROM runs GROUP BY leverancier, batch_id HAVING uniqExact(proceskenmerk) > 1
    ),
    voorkomens AS
    (
        SELECT
            *,
            -- A message without a readable BerichtID is known by its run alone.
            if(bericht_id = toUUID('00000000-0000-0000-0000-000000000000'), run, NULL) AS zonder_id,
            max(run) OVER bericht AS getoonde_run,
            argMax(nummer, (run, -toInt32(nummer))) OVER bericht AS eerste_nummer,
            maxOrNullIf(run, code = 'Verwerkt') OVER bericht AS verwerkte_run,
            ifNull(verwerkte_run < getoonde_run, false) AS eerder_verwerkt
        FROM berichten_per_run
        WHERE (leverancier, batch_id) IN herhaald
        WINDOW bericht AS (PARTITION BY leverancier, batch_id, bericht_id, zonder_id)
    )
SELECT
    leverancier, batch_id, proceskenmerk, if(run = getoonde_run, nummer, eerste_nummer) AS nummer,
    bericht_id, berichttype, status, code, stadium, reden,
    waarschuwingen, diensten, ontvangen_op, aangeleverd_op, verwerkt_op
FROM voorkomens
WHERE (zonder_id IS NULL OR run = laatste_run)
    -- The latest run is shown, but a Verwerkt of an earlier one stands in the place of its first occurrence.
    AND if(
        run = getoonde_run,
        NOT (eerder_verwerkt AND voorkomens.nummer = eerste_nummer),
        eerder_verwerkt AND run = verwerkte_run AND code = 'Verwerkt'
    )
COMMENT 'Every message of the batches that were delivered more than once; part of berichten';

CREATE OR REPLACE VIEW berichten
(
    leverancier String COMMENT 'BerichtLeverancierID of the batch: in whose name it is counted',
    batch_id UUID COMMENT 'BatchID',
    proceskenmerk UUID COMMENT 'Unique key of the run whose outcome is shown',
    nummer UInt16 COMMENT 'Place of the message in the latest run that holds it, from 1',
    bericht_id UUID COMMENT 'BerichtID; the zero GUID where it could not be read',
    berichttype LowCardinality(String) COMMENT 'BerichtType; ONBEKEND where it could not be read',
    status LowCardinality(String) COMMENT 'verwerkt (green), waarschuwing (orange), niet_verwerkt (red) or in_behandeling',
    code LowCardinality(String) COMMENT 'VerwerkingsCode; empty while in_behandeling',
    stadium LowCardinality(String) COMMENT 'Stage in which the message stopped, NA: none; empty while in_behandeling',
    reden String COMMENT 'What a message that broke the schema broke, as element and rule, never a value',
    waarschuwingen Array(LowCardinality(String)) COMMENT 'Codes of the warnings on the bijlagen',
    diensten Array(String) COMMENT 'Dienst IDs linked to the berichttype when it was decided',
    ontvangen_op DateTime64(3, 'UTC') COMMENT 'When the batch was first at the door',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When the run whose outcome is shown was at the door; the norm counts from here',
    verwerkt_op Nullable(DateTime64(3, 'UTC')) COMMENT 'When the message was decided; empty while in_behandeling'
)
AS
-- Of one run both times are the same, and a filter on this one spares reading other weeks.
SELECT
    leverancier, batch_id, proceskenmerk, nummer, bericht_id, berichttype, status, code, stadium, reden,
    waarschuwingen, diensten, aangeleverd_op AS ontvangen_op, aangeleverd_op, verwerkt_op
FROM berichten_per_run
WHERE runs = 1
UNION ALL
SELECT * FROM berichten_herhaald
COMMENT 'Every message of every batch, once: Verwerkt when any run of its batch made it so, else as the latest run has it';
