-- Each numbered step lifts a journal from the schema before it; a new journal takes them all.
-- A step that a release has written is never changed: the next change is the next number.
-- A step ends by writing its own number down.

-- 1 --
PRAGMA application_id = 1718379892;

CREATE TABLE records (
    seq  INTEGER PRIMARY KEY,
    body BLOB NOT NULL CHECK (typeof(body) = 'blob'),
    link BLOB NOT NULL CHECK (typeof(link) = 'blob' AND length(link) = 32)
);

-- These stop accidents. Intent is what the chain is for.
CREATE TRIGGER records_are_never_changed BEFORE UPDATE ON records
BEGIN
    SELECT RAISE(ABORT, 'a journal record is never changed');
END;

CREATE TRIGGER records_are_never_deleted BEFORE DELETE ON records
BEGIN
    SELECT RAISE(ABORT, 'a journal record is never deleted');
END;

CREATE TABLE lease (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    epoch    INTEGER NOT NULL,
    holder   BLOB NOT NULL,
    taken_at TEXT
);

-- Signed, so secret, so erasable: the chain holds no more than their SHA-256.
CREATE TABLE operations (
    target INTEGER NOT NULL,
    step   INTEGER NOT NULL,
    url    BLOB NOT NULL,
    PRIMARY KEY (target, step)
) WITHOUT ROWID;

CREATE TABLE requests (
    id       TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,
    actor    BLOB NOT NULL,
    reason   TEXT NOT NULL,
    at       TEXT NOT NULL,
    answered INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX requests_open ON requests (answered) WHERE answered = 0;

PRAGMA user_version = 1;

-- 2 --
-- Whom a request is about, such as a cluster that is to be skipped.
ALTER TABLE requests ADD COLUMN subject TEXT NOT NULL DEFAULT '';

PRAGMA user_version = 2;

-- 3 --
-- Up to which record each subscriber was told. No part of the chain: where a row is gone, it is
-- told all of it once more.
CREATE TABLE told (
    subscriber TEXT PRIMARY KEY,
    seq        INTEGER NOT NULL
) WITHOUT ROWID;

PRAGMA user_version = 3;
