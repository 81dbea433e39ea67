import {
  appendFile,
  chmod,
  mkdtemp,
  readFile,
  rm,
  truncate,
  unlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import S3rver from "s3rver";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/api-client.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm, type TestWorker } from "../support/farm.ts";
import { NixRoot } from "../support/nix-root.ts";
import { commands } from "../support/programs.ts";

const FIRST_TWO = `
  first = mk "first" "echo first > $out" { };
  second = mk "second" "echo second after \${first} > $out" { };`;
const THIRD = `third = mk "third" "echo third after \${second} > $out" { };`;

interface Task {
  status: string;
  problems: number;
  repaired: number;
  removed_paths: number;
  report: string[];
}

/** Where a farm's NARs are, and what it needs to be told of that. */
interface Place {
  readonly env: Record<string, string>;
  fileOf(farm: TestFarm, name: string): string;
}

async function onDisk(): Promise<Place & AsyncDisposable> {
  return {
    env: {},
    fileOf: (farm, name) => join(farm.dataDir, "nar", name),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function inStore(): Promise<Place & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), "e2e-fsck-s3-"));
  const store = new S3rver({
    port: 0,
    address: "127.0.0.1",
    silent: true,
    directory,
    configureBuckets: [{ name: "nars", configs: [] }],
  });
  const { port } = await store.run();
  return {
    env: {
      GRADIENT_OBJECT_STORE: `s3://nars/farm?endpoint=http://127.0.0.1:${port}`,
      AWS_ACCESS_KEY_ID: "S3RVER",
      AWS_SECRET_ACCESS_KEY: "S3RVER",
    },
    fileOf: (_farm, name) => join(directory, "nars/farm/nar", `${name}._S3rver_object`),
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
}

describe.each([
  { where: "on a disk", open: onDisk, isDisk: true },
  { where: "in an object store", open: inStore, isDisk: false },
])("NARs $where that are damaged", ({ open, isDisk }) => {
  let place: Place & AsyncDisposable;
  let farm: TestFarm;
  let alpha: TestWorker;
  let beta: TestWorker;
  let paths: Record<"first" | "second" | "third", string>;
  let files: string[];

  beforeAll(async () => {
    place = await open();
    farm = await TestFarm.start({ env: place.env });
    alpha = await farm.addWorker("alpha");
    await build("two", FIRST_TWO);
    await alpha.stop();
    beta = await farm.addWorker("beta");
    const outputs = await build("three", FIRST_TWO + THIRD);
    alpha.start();
    paths = {
      first: outputs.get("first") ?? "",
      second: outputs.get("second") ?? "",
      third: outputs.get("third") ?? "",
    };
    files = await Promise.all(Object.values(paths).map((path) => fileOf(path)));
    await eventually("both workers to be there", 30_000, async () => {
      const workers = await farm.api.call<{ live: unknown }[]>("GET", "/orgs/acme/workers");
      return workers.every(({ live }) => Boolean(live)) ? true : null;
    });
  }, 240_000);

  afterAll(async () => {
    await farm[Symbol.asyncDispose]();
    await place[Symbol.asyncDispose]();
  });

  async function build(project: string, set: string): Promise<Map<string, string>> {
    const text = expression(`rec { ${set} }`);
    await farm.addFilesProject(project, "*", { "default.nix": text });
    const ended = await farm.ended(await farm.evaluate(project), 110_000);
    expect(ended.status, farm.logs()).toBe("Completed");
    const outputs = new Map<string, string>();
    for (const { id, name } of await farm.api.builds(ended.id)) {
      const { output } = await farm.api.build(id);
      outputs.set(name.slice(33).replace(/\.drv$/, ""), `/nix/store/${output["out"]}`);
    }
    return outputs;
  }

  async function narinfo(path: string): Promise<string> {
    const hash = path.slice("/nix/store/".length, "/nix/store/".length + 32);
    return (await request(`${farm.url}/cache/main/${hash}.narinfo`)).body.text();
  }

  async function fileOf(path: string): Promise<string> {
    const [, hash = ""] = /^NarHash: sha256:(.*)$/m.exec(await narinfo(path)) ?? [];
    return place.fileOf(farm, `${hash.slice(0, 2)}/${hash}.nar.zst`);
  }

  /** A byte of one is another one, one is gone, of one the end is lost. */
  async function damage(): Promise<Buffer[]> {
    const whole = await Promise.all(files.map((file) => readFile(file)));
    const [first = "", second = "", third = ""] = files;
    const flipped = Buffer.from(whole[0] ?? []);
    flipped.writeUInt8(flipped.readUInt8(flipped.length >> 1) ^ 1, flipped.length >> 1);
    await writeFile(first, flipped);
    await unlink(second);
    await truncate(third, (whole[2]?.length ?? 0) >> 1);
    return whole;
  }

  function fsck(...flags: string[]) {
    const { command, argv } = commands.coordinator;
    const args = [...argv, "fsck", "--data-dir", farm.dataDir, ...flags];
    return execa(command, args, { env: { ...process.env, ...place.env }, reject: false });
  }

  async function task(body: object): Promise<Task> {
    const started = await farm.api.call<{ task_id: string }>(
      "POST",
      "/admin/maintenance/fsck",
      body,
    );
    return eventually("the check to end", 60_000, async () => {
      const found = await farm.api.call<Task>("GET", `/admin/tasks/${started.task_id}`);
      return found.status === "completed" || found.status === "failed" ? found : null;
    });
  }

  test("are brought back by workers: of one the only whole copy, and a damaged copy is passed over", async () => {
    const whole = await damage();
    const copy = beta.root.physical(paths.second);
    await chmod(copy, 0o644);
    await appendFile(copy, "!");

    const dry = await fsck();
    expect(dry.exitCode, dry.stderr).toBe(1);
    expect(dry.stdout.match(/can be brought back by worker/g), dry.stdout).toHaveLength(3);
    expect(dry.stderr).toContain("--repair has workers bring 3 files back");
    expect((await task({})).repaired).toBe(3);

    const repaired = await fsck("--repair");
    expect(repaired.exitCode, `${repaired.stderr}\n${farm.logs()}`).toBe(0);
    expect(repaired.stdout).toContain(
      "3 files were brought back by workers, 0 paths were taken out of caches",
    );
    const by = (path: string, worker: TestWorker) =>
      `(${path}) was brought back by worker ${worker.name} (${worker.id})`;
    expect(repaired.stdout).toContain(by(paths.second, alpha));
    expect(repaired.stdout).toContain(by(paths.third, beta));
    expect(await Promise.all(files.map((file) => readFile(file)))).toEqual(whole);
    expect((await fsck()).exitCode).toBe(0);
  }, 120_000);

  test("are substituted by Nix, which wants signatures", async () => {
    const root = await NixRoot.make(join(farm.directory, "reader"));
    try {
      await root.substitute(paths.third, await farm.cache());
      const text = await readFile(root.physical(paths.third), "utf8");
      expect(text).toBe(`third after ${paths.second}\n`);
      for (const path of Object.values(paths)) await root.nix("nix-store", ["--verify-path", path]);
    } finally {
      await root.remove();
    }
  }, 60_000);

  // Once is enough: it waits for the worker that is not there, and has nothing to do with the place.
  test.runIf(isDisk)(
    "are taken out of the cache where no worker that is there has them",
    async () => {
      await beta.stop();
      await damage();
      const done = await task({ repair: true });
      expect(done, farm.logs()).toMatchObject({
        status: "completed",
        problems: 3,
        repaired: 2,
        removed_paths: 1,
      });
      const told = done.report.find((line) =>
        line.includes(`(${paths.third}) is not brought back`),
      );
      expect(told).toContain(`worker alpha (${alpha.id}): it is not in this store`);
      expect((await task({})).problems).toBe(0);
    },
    120_000,
  );
});
