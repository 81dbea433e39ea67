import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import { compress } from "zstd-napi";
import type { LargeDatabase } from "./large-database.ts";

/** About 25 kB, as of a small package. */
const LOG = Buffer.from(
  Array.from(
    { length: 400 },
    (_, at) => `[${at}/400] gcc -c -O2 -Wall "src/part-${at}.c" -o build/part-${at}.o\n`,
  ).join(""),
);

/** Gives the sampled attempts of a filled database the logs of builds that have ended. */
export async function writeLogs(dataDir: string, { attempts }: LargeDatabase): Promise<void> {
  const folder = join(dataDir, "log");
  await mkdir(folder, { recursive: true });
  const packed = compress(LOG);
  const db = new Database(join(dataDir, "farm.sqlite"));
  const keepSize = db.prepare("update attempts set log_bytes = ? where number = ?");
  for (const attempt of attempts) {
    await writeFile(join(folder, `${attempt}.log.zst`), packed);
    keepSize.run(LOG.length, Number(attempt));
  }
  db.close();
}
