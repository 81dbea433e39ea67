import { storePathHash, parseStorePath } from "@gradient/protocol";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createLogger } from "../../../logger.ts";
import { TestNixStore } from "../../../nix-store.test-support.ts";
import { S3Nars } from "../../../storage/s3-nars.ts";
import { TEST_CREDENTIALS, TestS3 } from "../../../storage/s3-server.test-support.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";

// Nix waits for its own retries, and the machine may have more to do.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const EXPRESSION = `
let leaf = builtins.toFile "leaf.txt" "no references";
in builtins.toFile "top.txt" "\${leaf}"
`;

let s3: TestS3;
let server: TestServer;
let alice: string;
let store: TestNixStore;

beforeAll(async () => {
  for (const [name, value] of Object.entries(TEST_CREDENTIALS)) vi.stubEnv(name, value);
  s3 = await TestS3.start();
  server = await openTestServer({
    storage: (dataDir) =>
      S3Nars.open({ dataDir, location: s3.location("farm/"), logger: createLogger("silent") }),
  });
  alice = await server.user("alice");
  await server.put("caches", alice, { name: "main", display_name: "main", public: true });
  store = await TestNixStore.open();
});
afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await s3[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});

test("Nix fills a cache whose NARs are in an object store, and takes them from there", async () => {
  const printed = await store.run(
    "nix-instantiate",
    "--eval",
    "--read-write-mode",
    "-E",
    EXPRESSION,
  );
  const top = String(JSON.parse(printed));
  const url = new URL(`${server.url}/cache/main`);
  url.username = "x";
  url.password = alice;
  await store.run("nix", "copy", "--to", url.href, top);
  const key = (await server.get("caches/main/public-key", alice)).message;
  await using other = await TestNixStore.open([
    `substituters = ${server.url}/cache/main`,
    `trusted-public-keys = ${key}`,
  ]);
  s3.requests.length = 0;
  await other.run("nix-store", "--realise", top);
  expect(await other.run("nix-store", "--query", "--requisites", top)).toBe(
    await store.run("nix-store", "--query", "--requisites", top),
  );
  // Nix asked the store itself, by addresses that were signed for it.
  const signed = s3.requests.filter(({ url: asked }) => asked.includes("X-Amz-Signature="));
  expect(signed).toHaveLength(2);
  const listing = await server.get(`/cache/main/ls/${storePathHash(parseStorePath(top))}`);
  expect(listing.status).toBe(200);
});
