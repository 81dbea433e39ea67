import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";

export interface Load {
  requests: number;
  bytes: number;
  seconds: number;
  p99Ms: number;
}

/** Loads a server with wrk, one thread, over the given paths in turn. Throws when a request fails. */
export async function load(
  base: string,
  paths: readonly string[],
  { connections, seconds }: { connections: number; seconds: number },
): Promise<Load> {
  const directory = await mkdtemp(join(tmpdir(), "gradient-wrk-"));
  try {
    const script = join(directory, "paths.lua");
    const list = paths.map((path) => JSON.stringify(path)).join(",");
    await writeFile(
      script,
      `local paths = {${list}}; local n = 0
request = function() n = n % #paths + 1; return wrk.format("GET", paths[n]) end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.bytes, summary.duration, latency:percentile(99), errors.status + errors.connect + errors.read))
end`,
    );
    const argv = ["-t1", `-c${connections}`, `-d${seconds}s`, "-s", script, base];
    const { stdout } = await execa("wrk", argv);
    const [requests, bytes, microseconds, p99, errors] = (/RESULT (.*)/.exec(stdout)?.[1] ?? "")
      .split(" ")
      .map(Number);
    if (
      requests === undefined ||
      bytes === undefined ||
      microseconds === undefined ||
      p99 === undefined
    )
      throw new Error(`wrk printed no result:\n${stdout}`);
    if (errors !== 0) throw new Error(`${errors} of ${requests} requests to ${base} failed`);
    return { requests, bytes, seconds: microseconds / 1e6, p99Ms: p99 / 1000 };
  } finally {
    await rm(directory, { recursive: true });
  }
}
