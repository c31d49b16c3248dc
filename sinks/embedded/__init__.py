"""The embedded ClickHouse: the engine (chDB) in one process, behind ClickHouse's own HTTP interface on loopback.

`python -m sinks.embedded --data DIR --poort PORT` owns DIR and serves it until SIGTERM. Clients (clickhouse-connect,
curl, npm `@clickhouse/client`) reach it as they reach a real server: only the URL differs. `proces.EmbeddedClickHouse`
runs it as a child.

Three decisions explain the code:

- **Every request gets its own chDB connection** (opening one costs a seventh of a millisecond), so settings, parameters
  and temporary tables of one request cannot reach another, and a long query holds up nobody. A bound on what runs at
  the same time, with a bounded wait before it, is the pool. A `session_id` is served by repeating its own SET and USE.
- **The engine's parser judges, we don't.** What a statement is, its FORMAT and where the data of an INSERT begins is
  asked of the engine (`formatQuerySingleLine`); the statement then runs as the client wrote it.
- **An acknowledged INSERT is on disk.** A kill -9 loses nothing that was answered with 200. A loss of power neither,
  unless it was started with `--no-fsync`: by default every part and its folder are flushed before the answer
  (`fsync_after_insert`, `fsync_part_directory`), because a part that vanishes while a later one stays would leave the
  sink's progress ahead of its rows. An INSERT of more than a million rows lands in several parts, so one that fails
  half-way may leave some, as on a server.

Anyone who may connect may do all that the engine can, reading this user's files (`file()`) included: keep it on
loopback, and set BERICHTENSTROOM_CLICKHOUSE_WACHTWOORD where other people have accounts on the machine.
"""
