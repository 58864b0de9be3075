-- Every statement that fleet sends to the file of locks, by name.

-- keep_temporary_tables_in_memory --
PRAGMA temp_store = MEMORY;

-- outlive_the_process_only --
PRAGMA synchronous = NORMAL;

-- begin_without_a_lock --
BEGIN DEFERRED;

-- make_wishes --
CREATE TEMP TABLE wishes (
    endpoint TEXT, cluster_id TEXT, extension TEXT, PRIMARY KEY (endpoint, cluster_id, extension)
) WITHOUT ROWID;

-- wish --
INSERT INTO wishes (endpoint, cluster_id, extension) VALUES (?, ?, ?) ON CONFLICT DO NOTHING;

-- forget_wishes --
DELETE FROM wishes;

-- in_the_way --
SELECT run_id, count(*) FROM wishes JOIN locks USING (endpoint, cluster_id, extension)
WHERE run_id <> :run_id GROUP BY run_id ORDER BY run_id;

-- first_in_the_way --
SELECT endpoint, cluster_id, extension
FROM wishes JOIN locks USING (endpoint, cluster_id, extension)
WHERE run_id = :run_id ORDER BY endpoint, cluster_id, extension LIMIT :limit;

-- take --
INSERT INTO locks (endpoint, cluster_id, extension, run_id)
SELECT endpoint, cluster_id, extension, :run_id FROM wishes WHERE true ON CONFLICT DO NOTHING;

-- release --
DELETE FROM locks WHERE run_id = :run_id
AND (endpoint, cluster_id, extension) IN (SELECT endpoint, cluster_id, extension FROM wishes);

-- release_others --
DELETE FROM locks WHERE run_id = :run_id
AND (endpoint, cluster_id, extension) NOT IN (SELECT endpoint, cluster_id, extension FROM wishes);

-- lock_count --
SELECT count(*) FROM locks WHERE run_id = ?;

-- all_locks --
SELECT endpoint, cluster_id, extension FROM locks WHERE run_id = ?
ORDER BY endpoint, cluster_id, extension;

-- holder --
SELECT run_id, actor, leased_at, leased_until FROM holders WHERE run_id = ?;

-- holders --
SELECT run_id, actor, leased_at, leased_until FROM holders ORDER BY run_id;

-- hold --
INSERT INTO holders (run_id, actor, leased_at, leased_until)
VALUES (:run_id, :actor, :leased_at, :leased_until)
ON CONFLICT (run_id) DO UPDATE SET
    actor = excluded.actor, leased_at = excluded.leased_at, leased_until = excluded.leased_until;

-- renew --
UPDATE holders SET leased_at = :leased_at, leased_until = :leased_until WHERE run_id = :run_id;

-- drop_holder --
DELETE FROM holders WHERE run_id = ?;

-- drop_locks --
DELETE FROM locks WHERE run_id = ?;

-- drop_places --
DELETE FROM places WHERE run_id = ?;

-- note_release --
INSERT INTO releases (run_id, holder, actor, reason, at) VALUES (?, ?, ?, ?, ?);

-- releases --
SELECT run_id, holder, actor, reason, at FROM releases ORDER BY number;

-- places --
SELECT run_id, count, since FROM places WHERE pool = ?;

-- places_of --
SELECT pool, count FROM places WHERE run_id = ? AND count > 0 ORDER BY pool;

-- set_places --
INSERT INTO places (pool, run_id, count, since) VALUES (:pool, :run_id, :count, :since)
ON CONFLICT (pool, run_id) DO UPDATE SET count = excluded.count, since = excluded.since;
