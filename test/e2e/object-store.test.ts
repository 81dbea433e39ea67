import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import S3rver from "s3rver";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expression } from "../support/expressions.ts";
import { TestFarm, type TestWorker } from "../support/farm.ts";

describe("a farm whose NARs are in an object store", () => {
  let directory: string;
  let store: S3rver;
  let farm: TestFarm;
  let alpha: TestWorker;
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
    expect(farm.logs()).not.toContain("AWS4-HMAC");
  });
});
