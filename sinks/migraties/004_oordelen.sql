-- Verdicts on PDFs by their content, so that the same bijlage is checked once, over batches and restarts. Small granules:
-- a look-up of scattered keys reads little around each.

CREATE TABLE IF NOT EXISTS oordelen
(
    sha256 FixedString(32) COMMENT 'SHA-256 of the bijlage, 32 bytes',
    sha256_hex String ALIAS lower(hex(sha256)) COMMENT 'The same in 64 hexadecimal digits, as sha256sum prints it',
    regelversie UInt16 COMMENT 'Version of the rules that it was checked by; another version asks for another verdict',
    waarschuwingen Array(LowCardinality(String)) COMMENT 'Codes of what is wrong with the PDF; none: nothing',
    gekeurd_op DateTime64(3, 'UTC') COMMENT 'When it was checked; of two verdicts by the same rules the earliest stands',
    voorrang UInt64 MATERIALIZED bitNot(toUInt64(toUnixTimestamp64Milli(gekeurd_op))) COMMENT 'Higher for an earlier verdict: of equal keys the highest stays'
)
ENGINE = ReplacingMergeTree(voorrang)
ORDER BY (sha256, regelversie)
SETTINGS index_granularity = 256
COMMENT 'What the PDF check said of each bijlage, one row for each content and version of the rules';
