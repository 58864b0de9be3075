-- Numbered steps, as in schema.sql: one that a release has written is never changed.

-- 1 --
PRAGMA application_id = 1718379883;

CREATE TABLE holders (
    run_id       TEXT PRIMARY KEY,
    actor        BLOB NOT NULL,
    leased_at    TEXT NOT NULL,
    leased_until TEXT NOT NULL
) WITHOUT ROWID;

-- Lower case: the service does not tell ids apart by case.
CREATE TABLE locks (
    endpoint   TEXT NOT NULL,
    cluster_id TEXT NOT NULL,
    extension  TEXT NOT NULL,
    run_id     TEXT NOT NULL,
    PRIMARY KEY (endpoint, cluster_id, extension)
) WITHOUT ROWID;

-- since: from when on the run waits for its first, or its next; NULL: it does not.
CREATE TABLE places (
    pool   TEXT NOT NULL,
    run_id TEXT NOT NULL,
    count  INTEGER NOT NULL,
    since  TEXT,
    PRIMARY KEY (pool, run_id)
) WITHOUT ROWID;

-- What somebody released by force, and why.
CREATE TABLE releases (
    number INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    holder BLOB NOT NULL,
    actor  BLOB NOT NULL,
    reason TEXT NOT NULL,
    at     TEXT NOT NULL
);

PRAGMA user_version = 1;
