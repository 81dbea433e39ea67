import Database from "better-sqlite3";

/** What a cache of many years holds. */
export const LARGE_CACHE_PATHS = 1_000_000;

const FIRST_DAY = Date.UTC(2026, 0, 1);
const HASH = "replace(lower(hex(randomblob(16))), 'e', 'z')";
const NAR_HASH = "'0' || substr(replace(lower(hex(randomblob(26))), 'e', 'z'), 1, 51)";
const SIGNATURE = `farm-cache:${"A".repeat(86)}==`;

/**
 * Adds 1,000,000 paths to a cache in the database of a coordinator that is not running; no files. Each refers to the one before it. Takes about half a minute.
 * Resolves to the hash parts of `samples` of them, which lie far from each other.
 */
export function fillLargeCache(file: string, cache: string, samples: number): string[] {
  const db = new Database(file);
  try {
    db.pragma("synchronous = OFF");
    db.pragma("cache_size = -400000");
    db.transaction(() => {
      db.exec(`
        create temp table made as
          with recursive counted(i) as (select 0 union all select i + 1 from counted where i < ${LARGE_CACHE_PATHS - 1})
          select i, ${HASH} as hash, ${NAR_HASH} as nar from counted;
        create unique index temp.made_by_number on made (i);
        insert into nar_objects (nar_hash, nar_size, file_hash, file_size, compression, found_hashes_json, created_at)
          select nar, 12345, ${NAR_HASH}, 2345, 'zstd', '[]', ${FIRST_DAY} + i from made;
        insert into cache_paths (cache_id, hash_part, path, nar_hash, references_json, deriver, signatures_json, created_at, fetch_count)
          select (select id from caches where name = '${cache}'), it.hash, it.hash || '-package-' || it.i, it.nar,
            iif(before.i is null, '[]', json_array(before.hash || '-package-' || before.i)), it.hash || '-package-' || it.i || '.drv',
            '["${SIGNATURE}"]', ${FIRST_DAY} + it.i, 0
          from made as it left join made as before on before.i = it.i - 1;
      `);
    })();
    const step = LARGE_CACHE_PATHS / samples;
    const hashes = db.prepare(`select hash from made where i % ${step} = 0`).pluck().all();
    db.pragma("wal_checkpoint(TRUNCATE)");
    return hashes.map(String);
  } finally {
    db.close();
  }
}
