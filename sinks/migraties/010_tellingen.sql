-- What became of a batch, counted once, when it is finished: so a question over a year reads one row for each batch, and
-- not its messages. A count serves only while it names every run that eerste_runs has of its batch; any other batch is
-- counted when asked. So this table may lack whatever it likes, and may be emptied at any moment.

CREATE TABLE IF NOT EXISTS tellingen
(
    leverancier String COMMENT 'BerichtLeverancierID of the batch: in whose name it is counted',
    batch_id UUID COMMENT 'BatchID',
    aangeleverd_door LowCardinality(String) COMMENT 'OIN of who delivered the latest run',
    proceskenmerk UUID COMMENT 'Unique key of the latest run',
    ontvangen_op DateTime64(3, 'UTC') COMMENT 'When the batch was first at the door',
    aangeleverd_op DateTime64(3, 'UTC') COMMENT 'When its latest run was at the door',
    verwerkt_op Nullable(DateTime64(3, 'UTC')) COMMENT 'When the last message was decided; empty until afgerond',
    totaal UInt64 COMMENT 'Number of messages (grey)',
    verwerkt UInt64 COMMENT 'Messages placed in the Berichtenbox, with or without a warning (green and orange)',
    waarschuwing UInt64 COMMENT 'Messages placed with a warning (orange)',
    niet_verwerkt UInt64 COMMENT 'Messages not placed (red)',
    in_behandeling UInt64 ALIAS toUInt64(0) COMMENT 'Messages without an outcome yet',
    afgerond Bool ALIAS true COMMENT 'Whether every message has its outcome',
    momenten Array(Tuple(
        aangeleverd_op DateTime64(3, 'UTC'), verwerkt_op Nullable(DateTime64(3, 'UTC')),
        aantal UInt64, verwerkt UInt64, waarschuwing UInt64
    )) COMMENT 'Its messages by when their run was at the door and when they were decided: how many, how many placed, and with a warning',
    runs Array(UUID) COMMENT 'Every run that is counted in',
    aantal_runs UInt64 MATERIALIZED length(runs) COMMENT 'Of two counts of a batch the one with more runs stays'
)
ENGINE = ReplacingMergeTree(aantal_runs)
ORDER BY (batch_id, leverancier)
SETTINGS index_granularity = 1024
COMMENT 'Batches of which every message of every run has its decision, counted';

-- Which batches have several runs is asked of the table that leveringen asks: what one insert adds to runs and to
-- eerste_runs is not there in the same moment, and a batch was then missing, or there twice.
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
        SELECT leverancier, batch_id FROM eerste_runs GROUP BY leverancier, batch_id HAVING uniqExact(proceskenmerk) > 1
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

-- As berichten does, apart for batches of one run: most are, and it spares looking at who each message is. Of a batch
-- with more it shows the first run: whoever asks picks the batches, or those with aantal_runs = 1.
CREATE OR REPLACE VIEW tellingen_enkel
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
    afgerond Bool COMMENT 'Whether every message has its outcome',
    momenten Array(Tuple(
        aangeleverd_op DateTime64(3, 'UTC'), verwerkt_op Nullable(DateTime64(3, 'UTC')),
        aantal UInt64, verwerkt UInt64, waarschuwing UInt64
    )) COMMENT 'Its messages by when their run was at the door and when they were decided: how many, how many placed, and with a warning',
    aantal_runs UInt64 COMMENT 'How many runs it has'
)
AS SELECT
    l.leverancier AS leverancier, l.batch_id AS batch_id, l.aangeleverd_door AS aangeleverd_door,
    l.proceskenmerk AS proceskenmerk, l.aangeleverd_op AS ontvangen_op, l.aangeleverd_op AS aangeleverd_op,
    if(b.besloten = l.totaal, toNullable(b.laatst_verwerkt_op), NULL) AS verwerkt_op,
    l.totaal AS totaal, b.verwerkt AS verwerkt, b.waarschuwing AS waarschuwing,
    b.besloten - b.verwerkt AS niet_verwerkt, toUInt64(l.totaal - b.besloten) AS in_behandeling,
    b.besloten = l.totaal AS afgerond,
    arrayConcat(b.momenten, if(afgerond, [], [(l.aangeleverd_op, NULL, in_behandeling, toUInt64(0), toUInt64(0))])) AS momenten,
    l.aantal_runs AS aantal_runs
FROM
(
    SELECT
        leverancier, batch_id,
        argMin(e.aangeleverd_door, volgorde) AS aangeleverd_door,
        argMin(e.proceskenmerk, volgorde) AS proceskenmerk,
        argMin(e.aangeleverd_op, volgorde) AS aangeleverd_op,
        toUInt64(argMin(e.totaal, volgorde)) AS totaal,
        count() AS aantal_runs
    FROM eerste_runs AS e FINAL
    GROUP BY leverancier, batch_id
) AS l
LEFT JOIN
(
    SELECT
        leverancier, batch_id, proceskenmerk, aangeleverd_op,
        sum(aantal) AS besloten, sum(groen) AS verwerkt, sum(oranje) AS waarschuwing, max(op) AS laatst_verwerkt_op,
        groupArray((aangeleverd_op, toNullable(op), aantal, groen, oranje)) AS momenten
    FROM
    (
        SELECT
            leverancier, batch_id, proceskenmerk, aangeleverd_op, verwerkt_op AS op, count() AS aantal,
            countIf(code = 'Verwerkt') AS groen, countIf(code = 'Verwerkt' AND notEmpty(waarschuwingen)) AS oranje
        FROM uitkomsten FINAL
        GROUP BY leverancier, batch_id, proceskenmerk, aangeleverd_op, verwerkt_op
    )
    GROUP BY leverancier, batch_id, proceskenmerk, aangeleverd_op
) AS b
    ON l.leverancier = b.leverancier AND l.batch_id = b.batch_id
    AND l.proceskenmerk = b.proceskenmerk AND l.aangeleverd_op = b.aangeleverd_op
COMMENT 'Batches as their first run has them, counted from their messages';

CREATE OR REPLACE VIEW tellingen_herhaald
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
    afgerond Bool COMMENT 'Whether every message has its outcome',
    momenten Array(Tuple(
        aangeleverd_op DateTime64(3, 'UTC'), verwerkt_op Nullable(DateTime64(3, 'UTC')),
        aantal UInt64, verwerkt UInt64, waarschuwing UInt64
    )) COMMENT 'Its messages by when their run was at the door and when they were decided: how many, how many placed, and with a warning',
    runs Array(UUID) COMMENT 'Its runs'
)
AS SELECT
    l.leverancier AS leverancier, l.batch_id AS batch_id, l.aangeleverd_door AS aangeleverd_door,
    l.proceskenmerk AS proceskenmerk, l.ontvangen_op AS ontvangen_op, l.aangeleverd_op AS aangeleverd_op,
    if(afgerond, b.laatst_verwerkt_op, NULL) AS verwerkt_op,
    b.totaal AS totaal, b.verwerkt AS verwerkt, b.waarschuwing AS waarschuwing,
    b.totaal - b.verwerkt - b.in_behandeling AS niet_verwerkt, b.in_behandeling AS in_behandeling,
    b.in_behandeling = 0 AS afgerond, b.momenten AS momenten, l.runs AS runs
FROM
(
    SELECT
        leverancier, batch_id,
        argMax(e.aangeleverd_door, volgorde) AS aangeleverd_door,
        argMax(e.proceskenmerk, volgorde) AS proceskenmerk,
        min(e.aangeleverd_op) AS ontvangen_op,
        argMax(e.aangeleverd_op, volgorde) AS aangeleverd_op,
        groupArray(e.proceskenmerk) AS runs
    FROM eerste_runs AS e FINAL
    GROUP BY leverancier, batch_id
    HAVING count() > 1
) AS l
INNER JOIN
(
    SELECT
        leverancier, batch_id,
        sum(aantal) AS totaal, sum(groen) AS verwerkt, sum(oranje) AS waarschuwing,
        sumIf(aantal, isNull(op)) AS in_behandeling, max(op) AS laatst_verwerkt_op,
        groupArray((aangeleverd_op, op, aantal, groen, oranje)) AS momenten
    FROM
    (
        SELECT
            leverancier, batch_id, aangeleverd_op, verwerkt_op AS op, count() AS aantal,
            countIf(code = 'Verwerkt') AS groen, countIf(status = 'waarschuwing') AS oranje
        FROM berichten_herhaald
        GROUP BY leverancier, batch_id, aangeleverd_op, verwerkt_op
    )
    GROUP BY leverancier, batch_id
) AS b ON l.leverancier = b.leverancier AND l.batch_id = b.batch_id
COMMENT 'Batches that were delivered more than once, counted from their messages over all runs';

CREATE OR REPLACE VIEW berichtverwerking_nu
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
    afgerond Bool COMMENT 'Whether every message has its outcome',
    momenten Array(Tuple(
        aangeleverd_op DateTime64(3, 'UTC'), verwerkt_op Nullable(DateTime64(3, 'UTC')),
        aantal UInt64, verwerkt UInt64, waarschuwing UInt64
    )) COMMENT 'Its messages by when their run was at the door and when they were decided: how many, how many placed, and with a warning'
)
AS
SELECT
    leverancier, batch_id, aangeleverd_door, proceskenmerk, ontvangen_op, aangeleverd_op, verwerkt_op, totaal,
    verwerkt, waarschuwing, niet_verwerkt, in_behandeling, afgerond, momenten
FROM tellingen_enkel
WHERE aantal_runs = 1
UNION ALL
SELECT
    leverancier, batch_id, aangeleverd_door, proceskenmerk, ontvangen_op, aangeleverd_op, verwerkt_op, totaal,
    verwerkt, waarschuwing, niet_verwerkt, in_behandeling, afgerond, momenten
FROM tellingen_herhaald
COMMENT 'As berichtverwerking, and which messages were decided when';
