-- Every state that a thing of the reference data ever had: what changed is the difference between two that follow each
-- other. The sink may write any row again; rows collapse by their sorting key.

CREATE TABLE IF NOT EXISTS wijzigingen
(
    soort LowCardinality(String) COMMENT 'Kind: leverancier, berichttype, dienst or machtiging',
    sleutel String COMMENT 'Key of the record; persons in it by pseudonym',
    oin String COMMENT 'OIN of the leverancier or afnemer that it is of',
    volgorde UInt64 COMMENT 'Offset in the topic of its kind: of equal keys the highest is the state now',
    op DateTime64(3, 'UTC') COMMENT 'When it was changed; 1970: not known',
    door String COMMENT 'Who changed it; empty: not known',
    toestand String COMMENT 'The state from then on, as JSON with the fields of the event; persons by pseudonym'
)
ENGINE = ReplacingMergeTree
ORDER BY (soort, sleutel, volgorde)
COMMENT 'History of the reference data, one row for each change (from their four topics)';
