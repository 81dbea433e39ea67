import type { EventEmitter } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import type { IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import S3rver from "s3rver";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/api-client.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm, type TestWorker } from "../support/farm.ts";

interface StoreEvent {
  readonly Records: readonly [{ eventName: string; s3: { object: { key: string } } }];
}

interface StoreRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

/** What stands before all that the store does, as its framework has it. */
interface StoreFront {
  readonly middleware: ((request: StoreRequest, answer: () => Promise<void>) => Promise<void>)[];
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
  /** What the coordinator does with a large NAR; it is killed in the midst of each, once. */
  const steps = ["reads", "copies"];
  let kills = 0;

  /** Whether a request is that step. */
  function isStep(step: string | undefined, { method, path, headers }: StoreRequest): boolean {
    if (step === "copies") return "x-amz-copy-source" in headers;
    if (!path.startsWith("/nars/farm/staged/")) return false;
    return step === "reads" && method === "GET";
  }

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
    (store as unknown as StoreFront).middleware.unshift(async (request, answer) => {
      if (!isStep(steps[0], request)) return answer();
      // The copy is there when it dies, and nobody has noted it.
      if (steps.shift() === "copies") await answer();
      await farm.restartCoordinator();
      kills += 1;
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
    const evaluation = await farm.evaluate(project);
    await eventually("the coordinator to be killed", 60_000, async () =>
      kills === 2 ? true : null,
    );
    const ended = await farm.ended(evaluation, 110_000);
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

  test("gets what is large from the worker in the store, once, however often it is killed while it takes it", () => {
    const large = events.filter((event) => !event.startsWith("ObjectCreated:Put farm/nar/"));
    const copy = expect.stringMatching(/^ObjectCreated:Copy farm\/nar\//);
    const staged = (event: string) => expect.stringMatching(`^${event} farm/staged/`);
    expect(large, farm.logs()).toEqual([
      staged("ObjectCreated:Put"),
      copy,
      copy,
      staged("ObjectRemoved:Delete"),
    ]);
    expect(alpha.log).not.toContain("go through the coordinator");
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
