import { SecretKey } from "@gradient/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;
let alice: string;

beforeEach(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  await server.put("caches", alice, { name: "main", display_name: "Main" });
});
afterEach(() => server[Symbol.asyncDispose]());

interface ShownKey {
  id: string;
  name: string;
  public_key: string;
  state: string;
  unsigned_paths: number | null;
}

const list = async (): Promise<ShownKey[]> => (await server.get("caches/main/keys", alice)).message;

async function create(name?: string): Promise<ShownKey> {
  const answer = await server.post(
    "caches/main/keys",
    alice,
    name === undefined ? undefined : { name },
  );
  expect(answer.status).toBe(200);
  return answer.message;
}

/** What the farm's sweep does at the end. */
async function finishSweep(): Promise<void> {
  const { kysely } = server.services.database;
  await kysely.updateTable("cache_keys").set({ is_complete: 1 }).execute();
  await kysely.deleteFrom("cache_key_sweeps").execute();
}

describe("the keys of a cache", () => {
  test("are listed with their public halves; the oldest is the one that clients are told of", async () => {
    const made = await create();
    const [first, second] = await list();
    expect(second).toEqual(made);
    expect(made).toMatchObject({ name: "farm.example-8443-main-2", state: "active" });
    expect((await server.get("caches/main/key", alice)).message).toBe(first?.public_key);
    expect((await server.get("caches/main/public-key", alice)).message).toBe(first?.public_key);
    const shown = (await server.get("caches/main", alice)).message;
    expect(shown.public_keys).toEqual([first?.public_key, second?.public_key]);
    expect(server.calls.keysChanged).toBe(1);
  });

  test("have names of which each is there once, and that fit into a key file", async () => {
    await create("mine");
    const again = await server.post("caches/main/keys", alice, { name: "mine" });
    expect([again.status, again.json?.code]).toEqual([409, "already_exists"]);
    for (const name of ["", "a b", "a:b", "a,b", "x".repeat(201)]) {
      expect((await server.post("caches/main/keys", alice, { name })).status).toBe(400);
    }
  });

  test("are eight at most", async () => {
    for (let number = 2; number <= 8; number += 1) await create();
    expect((await server.post("caches/main/keys", alice, {})).status).toBe(409);
  });

  test("are for those who may manage them, of a cache that is not declared", async () => {
    const viewer = await server.user("viewer");
    const bob = await server.user("bob");
    await server.post("caches/main/members", alice, { user: "viewer", role: "Write" });
    expect((await server.get("caches/main/keys")).status).toBe(401);
    expect((await server.get("caches/main/keys", bob)).status).toBe(404);
    expect((await server.get("caches/main/keys", viewer)).status).toBe(403);
    const { kysely } = server.services.database;
    await kysely.updateTable("caches").set({ managed: 1 }).execute();
    expect((await server.post("caches/main/keys", alice, {})).status).toBe(403);
    expect((await server.get("caches/main/keys", alice)).status).toBe(200);
  });

  test("belong to their cache", async () => {
    await server.put("caches", alice, { name: "other", display_name: "Other" });
    const { id } = await create();
    await finishSweep();
    expect((await server.delete(`caches/other/keys/${id}`, alice)).status).toBe(404);
    expect((await server.post(`caches/other/keys/${id}/retire`, alice)).status).toBe(404);
  });
});

describe("an imported key", () => {
  test("signs from then on; it is sealed, and no answer shows it", async () => {
    const secret = SecretKey.generate("elsewhere-1");
    const body = { secret_key: `${secret.reveal()}\n` };
    const answer = await server.post("caches/main/keys/import", alice, body);
    expect(answer.message).toMatchObject({
      name: "elsewhere-1",
      public_key: secret.publicKey.toString(),
    });
    const half = secret.reveal().slice("elsewhere-1:".length, 50);
    const audit = (await server.get("user/audit-log", alice)).text;
    expect(audit).toContain("cache.key.import");
    for (const text of [answer.text, audit, (await server.get("caches/main/keys", alice)).text]) {
      expect(text).not.toContain(half);
    }
    const rows = await server.services.database.kysely
      .selectFrom("cache_keys")
      .selectAll()
      .execute();
    expect(JSON.stringify(rows)).not.toContain(half);
    const { id } = (await server.get("caches/main", alice)).message;
    const { signatures } = await server.services.signer.sign(id, "text");
    expect(signatures).toContain(secret.sign("text"));
  });

  test("is refused when it is damaged, and the refusal does not repeat it", async () => {
    const secret = SecretKey.generate("k").reveal();
    const other = Buffer.from(SecretKey.generate("k").reveal().slice(2), "base64");
    const mixed = Buffer.from(secret.slice(2), "base64");
    other.copy(mixed, 32, 32);
    const seedOnly = Buffer.from(secret.slice(2), "base64").subarray(0, 32);
    for (const text of [
      `k:${mixed.toString("base64")}`,
      `k:${seedOnly.toString("base64")}`,
      secret.slice(2),
      "k:???",
      "",
    ]) {
      const answer = await server.post("caches/main/keys/import", alice, { secret_key: text });
      expect([answer.status, answer.json?.code]).toEqual([400, "bad_key"]);
      expect(answer.text).not.toContain(secret.slice(2, 30));
    }
    expect(await list()).toHaveLength(1);
  });

  test("of a name that the cache has with another key is refused", async () => {
    const name = (await list())[0]?.name ?? "";
    const body = { secret_key: SecretKey.generate(name).reveal() };
    expect((await server.post("caches/main/keys/import", alice, body)).status).toBe(409);
  });
});

describe("the only key", () => {
  test.each(["retired", "deleted"])("is not %s", async (verb) => {
    const id = (await list())[0]?.id ?? "";
    const answer =
      verb === "retired"
        ? await server.post(`caches/main/keys/${id}/retire`, alice)
        : await server.delete(`caches/main/keys/${id}`, alice);
    expect([answer.status, answer.json?.code]).toEqual([409, "only_key"]);
  });

  test("is also the one whose successor has not signed everything yet", async () => {
    const id = (await list())[0]?.id ?? "";
    await create();
    const early = await server.delete(`caches/main/keys/${id}`, alice);
    expect([early.status, early.json?.code]).toEqual([409, "signing_unfinished"]);
    await finishSweep();
    expect((await server.post(`caches/main/keys/${id}/retire`, alice)).message.state).toBe(
      "retired",
    );
    expect((await server.post(`caches/main/keys/${id}/retire`, alice)).status).toBe(409);
    const [old, current] = await list();
    expect(old?.unsigned_paths).toBeNull();
    expect((await server.get("caches/main/key", alice)).message).toBe(current?.public_key);
    // Its secret is gone with it.
    const stored = await server.services.database.kysely
      .selectFrom("cache_keys")
      .select("private_key")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    expect(stored.private_key).toBeNull();
    expect((await server.delete(`caches/main/keys/${id}`, alice)).status).toBe(200);
    expect((await server.get("caches/main", alice)).message.public_keys).toEqual([
      current?.public_key,
    ]);
    expect((await server.delete(`caches/main/keys/${id}`, alice)).status).toBe(404);
  });
});
