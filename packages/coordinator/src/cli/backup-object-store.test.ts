import { existsSync } from "node:fs";
import { join } from "node:path";
import { storePathHash } from "@gradient/protocol";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { TEST_CREDENTIALS, TestS3 } from "../storage/s3-server.test-support.ts";
import { CommandLine } from "./cli.test-support.ts";
import { makeFarm, serve, uploadWith, type ServedPath } from "./visitor.test-support.ts";

const kept = uploadWith("in the bucket");
const gone = uploadWith("gone from the bucket");
const hashOf = (upload: typeof kept) => storePathHash(upload.info.path);

let line: CommandLine;
let s3: TestS3;
let store: string[];
let dataDir: string;
let folder: string;
let before: ServedPath | null;
/** What the backup said. */
let told: string;

beforeAll(async () => {
  for (const [name, value] of Object.entries(TEST_CREDENTIALS)) vi.stubEnv(name, value);
  line = new CommandLine();
  s3 = await TestS3.start();
  store = ["--object-store", `s3://nars/farm?endpoint=${s3.url}`];
  dataDir = join(line.directory, "data");
  folder = join(line.directory, "backup");
  await makeFarm(line, dataDir);
  await serve(
    line,
    dataDir,
    async (alice) => {
      await alice.makeCache();
      await alice.put(kept);
      await alice.put(gone);
      before = await alice.served(hashOf(kept));
      const backup = ["backup", folder, "--data-dir", dataDir, ...store, "--verify"];
      told = await line.done(backup);
      // The bucket goes on: what is removed after the backup is not there for the farm that is made of it.
      await alice.api("DELETE", `/caches/main/nars/${hashOf(gone)}`);
    },
    store,
  );
});
afterAll(async () => {
  await s3[Symbol.asyncDispose]();
  line[Symbol.dispose]();
  vi.unstubAllEnvs();
});

test("a backup of a farm with an object store has everything but the NARs, which its bucket gives afterwards", async () => {
  expect(told).toContain("keep it apart: NARs: they are in s3://nars/farm/\n");
  expect(told).toContain("it was restored beside itself");
  expect(existsSync(join(folder, "nar"))).toBe(false);
  const restored = join(line.directory, "restored");
  expect(await line.done(["restore", folder, "--data-dir", restored])).toContain(
    "start it with --object-store: its NARs are in s3://nars/farm/",
  );
  const fsck = ["fsck", "--data-dir", restored, ...store];
  const found = await line.run(fsck);
  expect([found.exitCode, found.out]).toEqual([1, expect.stringContaining("1 problems")]);
  await line.done([...fsck, "--repair"]);
  await serve(
    line,
    restored,
    async (alice) => {
      expect(await alice.served(hashOf(kept))).toEqual(before);
      expect(await alice.served(hashOf(gone))).toBeNull();
    },
    store,
  );
});
