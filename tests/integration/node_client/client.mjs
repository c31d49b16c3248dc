// Uses the embedded ClickHouse as a Node program would; prints what it saw as one JSON document.
import { createClient } from "@clickhouse/client";

const client = createClient({ url: process.argv[2], compression: { request: true, response: true } });
const seen = {};
seen.ping = (await client.ping()).success;

await client.command({ query: "CREATE TABLE node (k UInt64, naam String, op DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY k" });
const rows = Array.from({ length: 5000 }, (_, k) => ({ k: String(k), naam: `naam ${k} é'\\`, op: "2026-01-02 03:04:05.678" }));
seen.inserted = (await client.insert({ table: "node", values: rows, format: "JSONEachRow" })).summary.written_rows;

const found = await client.query({
  query: "SELECT k, naam, op FROM node WHERE naam = {naam: String} AND k IN {lijst: Array(UInt64)}",
  query_params: { naam: "naam 7 é'\\", lijst: [6, 7, 8] },
  clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
  format: "JSONEachRow",
});
seen.found = await found.json();

const all = await client.query({ query: "SELECT k FROM node ORDER BY k", format: "JSONEachRow" });
let streamed = 0;
for await (const piece of all.stream()) streamed += piece.length;
seen.streamed = streamed;

const whole = await client.query({ query: "SELECT count() AS n FROM node", format: "JSON" });
seen.count = (await whole.json()).data[0].n;

try {
  await client.query({ query: "SELECT * FROM bestaat_niet" });
} catch (error) {
  seen.error = { code: error.code, type: error.type };
}
await client.close();
console.log(JSON.stringify(seen));
