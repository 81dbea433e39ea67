import { PublicKey } from "@gradient/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;
let alice: string;
let bob: string;
let viewer: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  bob = await server.user("bob");
  viewer = await server.user("viewer");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.post("orgs/acme/users", alice, { user: "viewer", role: "View" });
  await server.put("caches", alice, { name: "main", display_name: "Main", priority: 30 });
  await server.put("caches", alice, { name: "open", display_name: "Open", public: true });
  await server.post("orgs/acme/subscribe/main", alice);
});
afterAll(() => server[Symbol.asyncDispose]());

describe("caches", () => {
  test("have every field that clients want, and the key in Nix's form", async () => {
    const { message } = await server.get("caches/main", alice);
    expect(message).toEqual({
      id: expect.any(String),
      name: "main",
      display_name: "Main",
      description: "",
      active: true,
      priority: 30,
      local_priority: null,
      public_key: expect.stringMatching(/^farm\.example-8443-main:[A-Za-z0-9+/]{43}=$/),
      public: false,
      created_by: expect.any(String),
      created_at: expect.stringMatching(/Z$/),
      managed: false,
      max_storage_gb: 0,
      can_edit: true,
      public_keys: [message.public_key],
    });
    expect((await server.get("caches/main/key", alice)).message).toBe(message.public_key);
  });

  test("sign with the key that they show, and never show the secret one", async () => {
    const { id, public_key: publicKey } = (await server.get("caches/main", alice)).message;
    const { signatures } = await server.services.signer.sign(id, "text");
    expect(signatures.map((each) => PublicKey.parse(publicKey).verifies("text", each))).toEqual([
      true,
    ]);
    const stored = await server.services.database.kysely
      .selectFrom("cache_keys")
      .select("private_key")
      .where("cache_id", "=", id)
      .executeTakeFirstOrThrow();
    expect(stored.private_key).toMatch(new RegExp(`^${server.services.masterKey.id}:`));
    for (const path of ["caches", "caches/main", "caches/main/key"]) {
      expect((await server.get(path, alice)).text).not.toContain("private");
    }
  });

  test("are listed to members and to organizations that subscribe, with the bare key", async () => {
    const { message } = await server.get("caches", alice);
    expect(message).toMatchObject({ total: 2, page: 1, per_page: 50 });
    expect(message.items[0].public_key).toMatch(/^[A-Za-z0-9+/]{43}=$/);
    const seen = (await server.get("caches", viewer)).message.items;
    expect(seen.map((cache: { name: string }) => cache.name)).toEqual(["main"]);
    expect((await server.get("caches", bob)).message.total).toBe(0);
    expect((await server.get("caches")).status).toBe(401);
  });

  test("that are private do not exist for others", async () => {
    for (const path of ["caches/main", "caches/main/key"]) {
      expect((await server.get(path, bob)).status).toBe(404);
      expect((await server.get(path)).status).toBe(404);
      expect((await server.get(path, viewer)).status).toBe(200);
    }
    expect((await server.get("caches/open")).message.can_edit).toBe(false);
    expect((await server.get("caches/nowhere", alice)).status).toBe(404);
  });

  test.each([
    [400, "invalid_name", { name: "available", display_name: "x" }],
    [400, "bad_request", { name: "x", display_name: "x", max_storage_gb: -1 }],
    [409, "already_exists", { name: "main", display_name: "x" }],
    [422, "unprocessable_entity", { name: "x", display_name: "x", priority: "high" }],
  ])("with a wrong field are not made: %i %s", async (status, code, body) => {
    const answer = await server.put("caches", alice, body);
    expect([answer.status, answer.json?.code]).toEqual([status, code]);
  });

  test("come with the public NixOS cache as their upstream", async () => {
    const { id } = (await server.get("caches/main", alice)).message;
    const upstreams = await server.services.database.kysely
      .selectFrom("cache_upstreams")
      .select("url")
      .where("cache_id", "=", id)
      .execute();
    expect(upstreams).toEqual([{ url: "https://cache.nixos.org" }]);
  });

  test("can be changed, switched off and on by who may", async () => {
    expect(
      (await server.patch("caches/main", alice, { name: "main", local_priority: 5 })).status,
    ).toBe(200);
    expect((await server.get("caches/main", alice)).message).toMatchObject({
      local_priority: 5,
      priority: 30,
    });
    expect((await server.patch("caches/main", alice, { local_priority: null })).status).toBe(200);
    expect((await server.get("caches/main", alice)).message.local_priority).toBeNull();
    expect((await server.patch("caches/main", alice, { name: "open" })).status).toBe(409);
    expect((await server.patch("caches/main", viewer, { priority: 1 })).status).toBe(403);
    expect((await server.patch("caches/main", bob, { priority: 1 })).status).toBe(404);
    expect((await server.delete("caches/main/active", viewer)).status).toBe(403);
    expect((await server.delete("caches/main/active", alice)).status).toBe(200);
    expect((await server.get("caches/main", alice)).message.active).toBe(false);
    expect((await server.post("caches/main/active", alice)).status).toBe(200);
    expect((await server.get("caches/main", alice)).message.active).toBe(true);
  });

  test("tell their organizations when they have more room, and when they are switched off", async () => {
    const { message: org } = await server.get("orgs/acme", alice);
    server.calls.cachesChanged.length = 0;
    await server.patch("caches/main", alice, { max_storage_gb: 5 });
    await server.patch("caches/main", alice, { max_storage_gb: 5, priority: 30 });
    expect(server.calls.cachesChanged).toEqual([org.id]);
    await server.delete("caches/main/active", alice);
    await server.post("caches/main/active", alice);
    expect(server.calls.cachesChanged).toEqual([org.id, org.id, org.id]);
  });

  test("are deleted for good", async () => {
    const id = (await server.put("caches", alice, { name: "gone", display_name: "Gone" })).message;
    await server.services.signer.sign(id, "text");
    expect((await server.delete("caches/gone", bob)).status).toBe(404);
    expect((await server.delete("caches/gone", alice)).status).toBe(200);
    expect((await server.get("caches/gone", alice)).status).toBe(404);
    await expect(server.services.signer.sign(id, "text")).rejects.toThrow("does not exist");
  });
});
