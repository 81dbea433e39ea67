import { SecretKey } from "@gradient/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

const PUBLIC_KEY = SecretKey.generate("up-1").publicKey.toString();
const UPSTREAMS = "caches/main/upstreams";

let server: TestServer;
let alice: string;
let bob: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  bob = await server.user("bob");
  await server.put("caches", alice, { name: "main", display_name: "Main" });
  await server.put("caches", alice, { name: "base", display_name: "Base" });
  await server.put("caches", bob, { name: "foreign", display_name: "Foreign" });
  await server.post("caches/main/members", alice, { user: "bob", role: "Write" });
});
afterAll(() => server[Symbol.asyncDispose]());

async function idOf(body: object): Promise<string> {
  const answer = await server.put(UPSTREAMS, alice, body);
  expect([answer.status, answer.message]).toEqual([200, expect.any(String)]);
  return answer.message;
}

function http(fields: object = {}): object {
  return {
    type: "http",
    display_name: "Up",
    url: "https://up.example/",
    public_key: PUBLIC_KEY,
    ...fields,
  };
}

describe("upstreams of a cache", () => {
  test("begin with the public NixOS cache", async () => {
    expect((await server.get(UPSTREAMS, bob)).message).toEqual([
      {
        id: expect.any(String),
        display_name: "cache.nixos.org",
        mode: "ReadOnly",
        kind: "http",
        upstream_cache_id: null,
        url: "https://cache.nixos.org",
        public_key: expect.stringMatching(/^cache\.nixos\.org-1:/),
        remote_cache: null,
        has_api_key: false,
      },
    ]);
    expect((await server.get("caches/foreign/upstreams", alice)).status).toBe(404);
  });

  test("of all kinds are added, changed and removed by who may", async () => {
    const plain = await idOf(http());
    const internal = await idOf({ type: "internal", cache_name: "base", mode: "ReadOnly" });
    const remote = await idOf({
      type: "gradient_proto",
      display_name: "Far",
      url: "https://far.example",
      remote_cache: "prod",
      api_key: "GRAD-secret",
    });
    const listed = await server.get(UPSTREAMS, alice);
    expect(listed.message.slice(1)).toMatchObject([
      { id: plain, kind: "http", url: "https://up.example", public_key: PUBLIC_KEY },
      { id: internal, kind: "internal", display_name: "Base", mode: "ReadOnly", url: null },
      { id: remote, kind: "gradientproto", remote_cache: "prod", has_api_key: true },
    ]);
    expect(listed.text).not.toContain("secret");
    expect((await server.put(UPSTREAMS, bob, http())).status).toBe(403);
    expect((await server.patch(`${UPSTREAMS}/${plain}`, bob, {})).status).toBe(403);
    expect(
      (await server.patch(`${UPSTREAMS}/${plain}`, alice, { display_name: "New" })).status,
    ).toBe(200);
    const foreign = `caches/base/upstreams/${plain}`;
    expect((await server.patch(foreign, alice, {})).status).toBe(404);
    expect((await server.delete(foreign, alice)).status).toBe(404);
    expect((await server.delete(`${UPSTREAMS}/${plain}`, bob)).status).toBe(403);
    expect((await server.delete(`${UPSTREAMS}/${plain}`, alice)).status).toBe(200);
    expect((await server.delete(`${UPSTREAMS}/${plain}`, alice)).status).toBe(404);
    expect((await server.get(UPSTREAMS, alice)).message).toHaveLength(3);
  });

  test("that get another address forget the key that was for the old one", async () => {
    const { message } = await server.get(UPSTREAMS, alice);
    const remote = message.find((each: { kind: string }) => each.kind === "gradientproto").id;
    const path = `${UPSTREAMS}/${remote}`;
    const hasKey = async () =>
      (await server.get(UPSTREAMS, alice)).message.find(
        (each: { id: string }) => each.id === remote,
      ).has_api_key;
    await server.patch(path, alice, { url: "https://far.example/", display_name: "Same place" });
    expect(await hasKey()).toBe(true);
    await server.patch(path, alice, { url: "https://thief.example" });
    expect(await hasKey()).toBe(false);
    expect(
      (await server.patch(path, alice, { url: "http://x.example", api_key: "k" })).status,
    ).toBe(400);
    await server.patch(path, alice, { api_key: "k" });
    expect(await hasKey()).toBe(true);
    await server.patch(path, alice, { api_key: null });
    expect(await hasKey()).toBe(false);
  });

  test.each([
    [400, http({ url: "ftp://up.example" })],
    [400, http({ url: "up.example" })],
    [400, http({ url: "https://u:p@up.example" })],
    [400, http({ url: "https://up.example/?x=1" })],
    [400, http({ public_key: "nonsense" })],
    [400, http({ display_name: "a/b" })],
    [422, http({ type: "s3" })],
    [422, { type: "http", url: "https://up.example" }],
    [400, { type: "internal", cache_name: "main" }],
    [404, { type: "internal", cache_name: "foreign" }],
    [
      400,
      { type: "gradient_proto", display_name: "x", url: "https://x.example", remote_cache: "." },
    ],
    [
      400,
      {
        type: "gradient_proto",
        display_name: "x",
        url: "http://x.example",
        remote_cache: "prod",
        api_key: "k",
      },
    ],
  ])("with a wrong field are not added: %i %j", async (status, body) => {
    expect((await server.put(UPSTREAMS, alice, body)).status).toBe(status);
  });

  test("never lead back to the cache, nor out of a cache whose paths the caller may not read", async () => {
    const back = await server.put("caches/base/upstreams", alice, {
      type: "internal",
      cache_name: "main",
    });
    expect([back.status, back.message]).toEqual([400, expect.stringContaining("own upstream")]);
    const made = await server.post("caches/foreign/roles", bob, {
      name: "looker",
      permissions: ["viewCache"],
    });
    expect(made.status).toBe(200);
    await server.post("caches/foreign/members", bob, { user: "alice", role: "looker" });
    const body = { type: "internal", cache_name: "foreign" };
    expect((await server.put(UPSTREAMS, alice, body)).status).toBe(403);
    await server.patch("caches/foreign/members", bob, { user: "alice", role: "View" });
    expect((await server.put(UPSTREAMS, alice, body)).status).toBe(200);
  });
});
