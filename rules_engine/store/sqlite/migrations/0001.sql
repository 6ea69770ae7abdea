-- The first schema. One migration a file, in one transaction each; the next one is 0002.sql.

CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- The log clock as of the last row, and the bound that housekeeping has set: always one row.
CREATE TABLE clock(
  id INTEGER PRIMARY KEY CHECK (id = 1),
  boot_id TEXT NOT NULL, boot_ms INTEGER NOT NULL, log_ms INTEGER NOT NULL, true_ms INTEGER NOT NULL,
  row_limit INTEGER) STRICT;

-- The log. No index but its key: time never decreases along it, and ids are found through the dedup window.
CREATE TABLE event(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, kind INTEGER NOT NULL,
  id TEXT NOT NULL, type TEXT NOT NULL, dedup TEXT, source TEXT NOT NULL,
  cause TEXT, chain TEXT, depth INTEGER NOT NULL, body TEXT NOT NULL) STRICT;

CREATE TABLE reader(
  name TEXT PRIMARY KEY, position INTEGER NOT NULL, pinned INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- `until_ms` is CLOCK_BOOTTIME, never the wall clock; a free role keeps its token.
CREATE TABLE lease(
  role TEXT PRIMARY KEY, token INTEGER NOT NULL, owner TEXT, boot_id TEXT NOT NULL, pid_space TEXT NOT NULL,
  pid INTEGER NOT NULL, pid_start INTEGER NOT NULL, until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- State of loops, chunks of their windows, knobs: all the step remembers.
CREATE TABLE cell(
  scope TEXT NOT NULL, key TEXT NOT NULL, part TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (scope, key, part)) STRICT;

CREATE TABLE firing(
  position INTEGER NOT NULL, n INTEGER NOT NULL, time_ms INTEGER NOT NULL, loop TEXT NOT NULL, key TEXT NOT NULL,
  rules TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (position, n)) STRICT;
CREATE INDEX firing_of_loop ON firing(loop, position, n);
CREATE TABLE fired(loop TEXT PRIMARY KEY, total INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- The last verdict per loop and key: read by people, never by the step.
CREATE TABLE verdict(
  loop TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, time_ms INTEGER NOT NULL,
  reason TEXT NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (loop, key)) STRICT, WITHOUT ROWID;

CREATE TABLE control(
  after INTEGER NOT NULL, n INTEGER NOT NULL, time_ms INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (after, n)) STRICT, WITHOUT ROWID;
CREATE TABLE inbox(id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, body TEXT NOT NULL) STRICT;

-- What is owed; finished rows leave. `ready_ms`: when it may be claimed, for a claimed one the end of
-- its claim; NULL behind the head of its lane. `number` counts claims, which are attempts.
CREATE TABLE action(
  id INTEGER PRIMARY KEY AUTOINCREMENT, idempotency_key TEXT NOT NULL UNIQUE, lane TEXT NOT NULL, action TEXT NOT NULL,
  time_ms INTEGER NOT NULL, ready_ms INTEGER, number INTEGER NOT NULL DEFAULT 0, owner TEXT, error TEXT,
  body TEXT NOT NULL) STRICT;
CREATE INDEX action_lane ON action(lane, id);
CREATE INDEX action_head ON action(id, ready_ms, action) WHERE ready_ms IS NOT NULL;

CREATE TABLE letter(
  id INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
  reason TEXT NOT NULL, attempts INTEGER NOT NULL, body TEXT NOT NULL) STRICT;

CREATE TABLE rules(
  id INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL UNIQUE, texts BLOB NOT NULL) STRICT;
CREATE TABLE fact(name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Refusals and losses, by name.
CREATE TABLE tally(name TEXT PRIMARY KEY, total INTEGER NOT NULL) STRICT, WITHOUT ROWID;
