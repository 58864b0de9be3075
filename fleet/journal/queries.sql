-- Every statement that fleet sends to a journal, by name.

-- application_id --
PRAGMA application_id;

-- user_version --
PRAGMA user_version;

-- use_wal --
PRAGMA journal_mode = WAL;

-- use_one_file --
PRAGMA journal_mode = DELETE;

-- survive_power_loss --
PRAGMA synchronous = FULL;

-- overwrite_what_is_deleted --
PRAGMA secure_delete = ON;

-- refuse_writes --
PRAGMA query_only = ON;

-- data_version --
PRAGMA data_version;

-- checkpoint --
PRAGMA wal_checkpoint(TRUNCATE);

-- begin --
BEGIN IMMEDIATE;

-- commit --
COMMIT;

-- rollback --
ROLLBACK;

-- lease --
SELECT epoch, holder, taken_at FROM lease;

-- take_lease --
INSERT INTO lease (only, epoch, holder, taken_at) VALUES (1, 1, :holder, :taken_at)
ON CONFLICT (only) DO UPDATE
SET epoch = epoch + 1, holder = excluded.holder, taken_at = excluded.taken_at
RETURNING epoch;

-- head --
SELECT seq, link FROM records ORDER BY seq DESC LIMIT 1;

-- fence --
SELECT (SELECT epoch FROM lease), coalesce((SELECT max(seq) FROM records), 0);

-- add_record --
INSERT INTO records (seq, body, link) VALUES (?, ?, ?);

-- keep_operation --
INSERT INTO operations (target, step, url) VALUES (?, ?, ?)
ON CONFLICT (target, step) DO UPDATE SET url = excluded.url;

-- drop_operation --
DELETE FROM operations WHERE target = ? AND step = ?;

-- operations --
SELECT target, step, url FROM operations ORDER BY target, step;

-- add_request --
INSERT INTO requests (id, kind, actor, reason, at, subject) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING;

-- answer_request --
UPDATE requests SET answered = 1 WHERE id = ?;

-- open_requests --
SELECT id, kind, actor, reason, at, subject FROM requests WHERE answered = 0 ORDER BY rowid;

-- tell --
INSERT INTO told (subscriber, seq) VALUES (?, ?)
ON CONFLICT (subscriber) DO UPDATE SET seq = max(seq, excluded.seq);

-- told --
SELECT subscriber, seq FROM told ORDER BY subscriber;

-- all_records --
-- The casts: what somebody has put in place of a record is handed on, as bytes, to be found out.
SELECT seq, coalesce(CAST(body AS BLOB), x''), coalesce(CAST(link AS BLOB), x'')
FROM records ORDER BY seq LIMIT ?;

-- last_record --
SELECT seq, coalesce(CAST(body AS BLOB), x''), coalesce(CAST(link AS BLOB), x'')
FROM records ORDER BY seq DESC LIMIT 1;

-- records_after --
SELECT seq, coalesce(CAST(body AS BLOB), x''), coalesce(CAST(link AS BLOB), x'')
FROM records WHERE seq > ? ORDER BY seq LIMIT ?;
