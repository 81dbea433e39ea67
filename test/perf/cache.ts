import { createWriteStream } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import { request } from "undici";
import { eventually } from "../support/api-client.ts";
import { Daemon } from "../support/daemon.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm } from "../support/farm.ts";
import { freePort, isListening } from "../support/ports.ts";
import { intakeRows } from "./cache-intake.ts";
import type { Row } from "./report.ts";

const SECONDS = 8;

/** nginx with one process, serving a directory's files. */
async function startNginx(directory: string): Promise<{ daemon: Daemon; port: number }> {
  const port = await freePort();
  const conf = `
    daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log ${directory}/error.log;
    events { worker_connections 1024; }
    http {
      access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; open_file_cache max=1000;
      client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy; fastcgi_temp_path ${directory}/fastcgi;
      uwsgi_temp_path ${directory}/uwsgi; scgi_temp_path ${directory}/scgi;
      types { text/x-nix-narinfo narinfo; application/x-nix-nar zst; }
      server { listen 127.0.0.1:${port}; root ${directory}/files; }
    }`;
  await writeFile(join(directory, "nginx.conf"), conf);
  const daemon = new Daemon(
    "nginx",
    "nginx",
    ["-p", directory, "-c", join(directory, "nginx.conf")],
    process.env,
  );
  await eventually("nginx to listen", 10_000, async () =>
    (await isListening(port)) ? true : null,
  );
  return { daemon, port };
}

interface Load {
  requestsPerSecond: number;
  bytesPerSecond: number;
}

/** Loads a server with wrk, one thread, over the given paths in turn. */
async function load(
  base: string,
  paths: readonly string[],
  connections: number,
  directory: string,
): Promise<Load> {
  const script = join(directory, "paths.lua");
  const list = paths.map((path) => JSON.stringify(path)).join(",");
  await writeFile(
    script,
    `local paths = {${list}}; local n = 0
request = function() n = n % #paths + 1; return wrk.format("GET", paths[n]) end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d\\n", summary.requests, summary.bytes, summary.duration, errors.status + errors.connect + errors.read))
end`,
  );
  const { stdout } = await execa("wrk", [
    "-t1",
    `-c${connections}`,
    `-d${SECONDS}s`,
    "-s",
    script,
    base,
  ]);
  const [requests, bytes, microseconds, errors] = (/RESULT (.*)/.exec(stdout)?.[1] ?? "")
    .split(" ")
    .map(Number);
  if (requests === undefined || bytes === undefined || microseconds === undefined)
    throw new Error(`wrk printed no result:\n${stdout}`);
  if (errors !== 0) throw new Error(`${errors} of ${requests} requests to ${base} failed`);
  return {
    requestsPerSecond: requests / (microseconds / 1e6),
    bytesPerSecond: bytes / (microseconds / 1e6),
  };
}

async function download(url: string, file: string): Promise<void> {
  const response = await request(url);
  if (response.statusCode !== 200) throw new Error(`${url} answered ${response.statusCode}`);
  await mkdir(join(file, ".."), { recursive: true });
  await pipeline(response.body, createWriteStream(file));
}

/** Builds 100 small outputs and one of 64 MiB that does not compress, and copies what the cache says of them to files for nginx. */
async function prepare(
  farm: TestFarm,
  files: string,
): Promise<{ narinfos: string[]; nar: string }> {
  const text = expression(`
    let small = n: mk "small-\${toString n}" "echo \${toString n} > $out" { };
    in { big = mk "big" "dd if=/dev/urandom of=$out bs=1M count=64" { }; }
      // builtins.listToAttrs (builtins.genList (n: { name = "small-\${toString n}"; value = small n; }) 100)`);
  await farm.addWorker("alpha");
  const evaluation = await farm.ended(
    await farm.evaluate(await farm.addFilesProject("cache", "*", { "default.nix": text })),
    300_000,
  );
  if (evaluation.status !== "Completed")
    throw new Error(`the builds for the cache ended ${evaluation.status}: ${evaluation.error}`);
  const narinfos: string[] = [];
  let nar = "";
  for (const item of await farm.api.builds(evaluation.id)) {
    const [output] = Object.values((await farm.api.build(item.id)).output);
    const path = `/cache/main/${(output ?? "").replace("/nix/store/", "").slice(0, 32)}.narinfo`;
    await download(`${farm.url}${path}`, join(files, path));
    narinfos.push(path);
    if (item.name.endsWith("-big.drv"))
      nar = `/cache/main/${/^URL: (.*)$/m.exec(await readFile(join(files, path), "utf8"))?.[1]}`;
  }
  await download(`${farm.url}${nar}`, join(files, nar));
  return { narinfos, nar };
}

async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

/** Requests and bytes a second of the cache against nginx over the same files, one process each; and the coordinator's memory at rest. */
export async function cacheRows(): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), "gradient-nginx-"));
  // Its worker process is not root.
  await chmod(directory, 0o755);
  const farm = await TestFarm.start({ env: { GRADIENT_MAX_NAR_UPLOAD_SIZE: "4G" } });
  const atRest = await residentMegabytes(farm.coordinator.pid);
  const { daemon, port } = await startNginx(directory);
  try {
    const { narinfos, nar } = await prepare(farm, join(directory, "files"));
    const nginx = `http://127.0.0.1:${port}`;
    const theirNarinfo = await load(nginx, narinfos, 32, directory);
    const ourNarinfo = await load(farm.url, narinfos, 32, directory);
    const theirNar = await load(nginx, [nar], 4, directory);
    const ourNar = await load(farm.url, [nar], 4, directory);
    const intake = await intakeRows(farm);
    return [
      {
        what: "narinfo requests",
        unit: "1/s",
        ours: ourNarinfo.requestsPerSecond,
        theirs: theirNarinfo.requestsPerSecond,
        against: "nginx",
        better: "more",
        target: 0.3,
      },
      {
        what: "NAR bytes",
        unit: "MB/s",
        ours: ourNar.bytesPerSecond / 1e6,
        theirs: theirNar.bytesPerSecond / 1e6,
        against: "nginx",
        better: "more",
        target: 0.5,
      },
      {
        what: "coordinator at rest",
        unit: "MB",
        ours: atRest,
        theirs: null,
        against: "limit",
        better: "less",
        target: 150,
      },
      ...intake,
    ];
  } finally {
    await daemon.stop();
    await farm[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  }
}
