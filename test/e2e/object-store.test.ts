import type { EventEmitter } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import S3rver from "s3rver";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expression } from "../support/expressions.ts";
import { TestFarm, type TestWorker } from "../support/farm.ts";

interface StoreEvent {
  readonly Records: readonly [{ eventName: string; s3: { object: { key: string } } }];
}

describe("a farm whose NARs are in an object store", () => {
  let directory: string;
  let store: S3rver;
  let farm: TestFarm;
  let alpha: TestWorker;
  /** What happened to objects: `ObjectCreated:Copy KEY`. */
  const events: string[] = [];
  /** Where a worker has what alpha built, below its root. */
  let second: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "e2e-s3-"));
    store = new S3rver({
      port: 0,
      address: "127.0.0.1",
      silent: true,
      directory,
      configureBuckets: [{ name: "nars", configs: [] }],
    });
    // It is one, but its types do not say so.
    (store as S3rver & EventEmitter).on("event", ({ Records: [record] }: StoreEvent) => {
      events.push(`${record.eventName} ${record.s3.object.key}`);
    });
    const { port } = await store.run();
    farm = await TestFarm.start({
      env: {
        GRADIENT_OBJECT_STORE: `s3://nars/farm?endpoint=http://127.0.0.1:${port}`,
        AWS_ACCESS_KEY_ID: "S3RVER",
        AWS_SECRET_ACCESS_KEY: "S3RVER",
      },
    });
  }, 60_000);

  afterAll(async () => {
    await farm[Symbol.asyncDispose]();
    await store.close();
    await rm(directory, { recursive: true });
  });

  test("builds, and lets clients download from the store", async () => {
    alpha = await farm.addWorker("alpha");
    const text = expression(`rec {
      first = mk "first" "echo first > $out" { };
      second = mk "second" "read line < \${first}; echo $line > $out" { };
      large = mk "large" "i=0; s=0123456789abcdef; while [ $i -lt 20 ]; do s=$s$s; i=$((i+1)); done; echo $s > $out" { };
    }`);
    const project = await farm.addFilesProject("stored", "*", { "default.nix": text });
    const ended = await farm.ended(await farm.evaluate(project), 110_000);
    expect(ended.status, farm.logs()).toBe("Completed");
    const builds = await farm.api.builds(ended.id);
    const build = builds.find(({ name }) => name.endsWith("-second.drv"));
    const output = (await farm.api.build(build?.id ?? "")).output["out"] ?? "";
    const base = output.replace("/nix/store/", "");
    second = `nix/store/${base}`;
    const hash = base.slice(0, 32);
    const narinfo = await request(`${farm.url}/cache/main/${hash}.narinfo`);
    const url = /^URL: (.*)$/m.exec(await narinfo.body.text())?.[1];
    const redirect = await request(`${farm.url}/cache/main/${url}`);
    expect(redirect.statusCode).toBe(302);
    const nar = await request(String(redirect.headers["location"]));
    expect([nar.statusCode, (await nar.body.arrayBuffer()).byteLength > 0]).toEqual([200, true]);
  }, 120_000);

  test("gets what is large from the worker in the store, and copies it to its place there", () => {
    const staged = events.filter((event) => event.includes(" farm/staged/"));
    expect(
      staged.map((event) => event.split(" ")[0]),
      farm.logs(),
    ).toEqual(["ObjectCreated:Put", "ObjectRemoved:Delete"]);
    const copied = events.filter((event) => event.startsWith("ObjectCreated:Copy "));
    expect(copied).toEqual([expect.stringContaining(" farm/nar/")]);
  });

  test("gives a worker the inputs that another one has built", async () => {
    await alpha.stop();
    const beta = await farm.addWorker("beta");
    const text = expression(`rec {
      first = mk "first" "echo first > $out" { };
      second = mk "second" "read line < \${first}; echo $line > $out" { };
      third = mk "third" "read line < \${second}; echo $line > $out" { };
    }`);
    const project = await farm.addFilesProject("stored-again", "*", { "default.nix": text });
    const ended = await farm.ended(await farm.evaluate(project), 110_000);
    expect(ended.status, farm.logs()).toBe("Completed");
    const builds = await farm.api.builds(ended.id);
    const third = builds.find(({ name }) => name.endsWith("-third.drv"));
    expect(third?.status).toBe("Completed");
    expect(existsSync(join(beta.root.directory, second))).toBe(true);
  }, 120_000);

  test("keeps none of them on its own disk", async () => {
    const folders = await readdir(join(farm.dataDir, "nar"));
    expect(folders.toSorted()).toEqual(["drafts", "staged"]);
    expect(await readdir(join(farm.dataDir, "nar/drafts"))).toEqual([]);
    expect(existsSync(join(directory, "nars"))).toBe(true);
    expect(farm.logs()).not.toMatch(/AWS4-HMAC|X-Amz-Signature/);
  });
});
