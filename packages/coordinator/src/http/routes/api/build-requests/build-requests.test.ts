import { request as httpRequest } from "node:http";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { blake3 } from "@noble/hashes/blake3.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../../clock.ts";
import { narOfText } from "../../../../test-objects.test-support.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

const ZERO_COMMIT = "0".repeat(40);
const HOUR_MS = 3600 * 1000;

let server: TestServer;
/** How far the server's clock is ahead. */
let aheadMs = 0;
let alice: string;
let viewer: string;
let bob: string;

beforeAll(async () => {
  const clock = { now: () => Date.now() + aheadMs, after: systemClock.after };
  server = await openTestServer({
    clock,
    env: { GRADIENT_MAX_SOURCE_UPLOAD_SIZE: "1M", GRADIENT_MAX_DIRECT_BUILD_SIZE: "1M" },
  });
  alice = await server.user("alice");
  viewer = await server.user("viewer");
  bob = await server.user("bob");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.post("orgs/acme/users", alice, { user: "viewer", role: "View" });
  await server.put("orgs", alice, { name: "poor", display_name: "No cache" });
  await server.put("caches", alice, { name: "main", display_name: "Main", priority: 40 });
  await server.post("orgs/acme/subscribe/main", alice);
});
afterAll(() => server[Symbol.asyncDispose]());

function hashOf(text: string): string {
  return bytesToHex(blake3(Buffer.from(text)));
}

function fileOf(path: string, text: string) {
  return { path, hash: hashOf(text), size: Buffer.byteLength(text) };
}

function open(files: unknown, organization = "acme", token = alice) {
  return server.post("build-requests/manifest", token, { organization, files });
}

// oxlint-disable typescript/no-explicit-any -- tests assert on whatever came back
async function post(
  path: string,
  parts: readonly [string, string | Blob, string?][],
  token = alice,
) {
  const form = new FormData();
  for (const [name, value, filename] of parts) {
    if (typeof value === "string") form.append(name, value);
    else form.append(name, value, filename ?? name);
  }
  const response = await fetch(`${server.url}/api/v1/${path}`, {
    method: "POST",
    body: form,
    headers: { authorization: `Bearer ${token}` },
  });
  const { code, message } = (await response.json()) as { code?: string; message: any };
  return { status: response.status, code, message };
}

function blobs(session: string, texts: readonly string[], token = alice) {
  return post(
    `build-requests/${session}/blobs`,
    texts.map((text) => [hashOf(text), new Blob([text])]),
    token,
  );
}

/** What the coordinator keeps of uploads, but blobs. */
async function leftovers(): Promise<string[]> {
  const root = join(server.dataDir, "sources");
  const users = await readdir(join(root, "uploads"));
  const folders = ["drafts", ...users.map((user) => join("uploads", user))];
  return (await Promise.all(folders.map((folder) => readdir(join(root, folder))))).flat();
}

let number = 0;
/** Texts that no other test has uploaded. */
function fresh(text: string): string {
  number += 1;
  return `${text} ${number}`;
}

describe("a manifest", () => {
  test("opens a session and names each file once that the organization does not have", async () => {
    const [one, two] = [fresh("one"), fresh("two")];
    const files = [fileOf("a", one), fileOf("b/c", two), fileOf("b/d", one)];
    const first = await open(files);
    expect(first.message).toEqual({
      session: expect.any(String),
      missing: [hashOf(one), hashOf(two)],
    });
    expect((await blobs(first.message.session, [one])).message).toEqual({
      uploaded: 1,
      remaining: 1,
    });
    const second = await open(files);
    expect(second.message.missing).toEqual([hashOf(two)]);
    expect(second.message.session).not.toBe(first.message.session);
  });

  test.each([
    ["no file", []],
    ["an absolute path", [fileOf("/etc/passwd", "x")]],
    ["a path that leaves the tree", [fileOf("a/../../b", "x")]],
    ["a dot", [fileOf("./a", "x")]],
    ["an empty path", [fileOf("", "x")]],
    ["an empty name", [fileOf("a//b", "x")]],
    ["a zero byte", [fileOf("a\0b", "x")]],
    ["a path twice", [fileOf("a", "x"), fileOf("a", "y")]],
    ["a file that is a folder", [fileOf("a", "x"), fileOf("a/b", "y")]],
    ["a folder that is a file", [fileOf("a/b", "y"), fileOf("a", "x")]],
    ["a negative size", [{ ...fileOf("a", "x"), size: -1 }]],
    ["a hash in capitals", [{ ...fileOf("a", "x"), hash: hashOf("x").toUpperCase() }]],
    ["a short hash", [{ ...fileOf("a", "x"), hash: "ab" }]],
    ["one hash with two sizes", [fileOf("a", "x"), { ...fileOf("b", "x"), size: 2 }]],
  ])("with %s is refused", async (_what, files) => {
    expect((await open(files)).status).toBe(400);
  });

  test("of more bytes than a source may have is refused", async () => {
    expect((await open([{ ...fileOf("a", "x"), size: 2 ** 21 }])).status).toBe(413);
  });

  test("that gives a known file another size is refused", async () => {
    const text = fresh("known");
    const { message } = await open([fileOf("a", text)]);
    await blobs(message.session, [text]);
    expect((await open([{ ...fileOf("a", text), size: 1 }])).status).toBe(400);
  });

  test("needs the right to trigger evaluations, and a cache", async () => {
    const files = [fileOf("a", "x")];
    expect((await open(files, "acme", viewer)).status).toBe(403);
    expect((await open(files, "acme", bob)).status).toBe(404);
    expect((await server.post("build-requests/manifest", undefined, {})).status).toBe(401);
    const poor = await open(files, "poor");
    expect([poor.status, poor.json?.code]).toEqual([409, "no_cache"]);
  });
});

describe("files", () => {
  test("that are not missing, or not what their name says, are refused; good ones before them are kept", async () => {
    const [one, two] = [fresh("one"), fresh("two")];
    const { message } = await open([fileOf("a", one), fileOf("b", two)]);
    const path = `build-requests/${message.session}/blobs`;
    const wrong = await post(path, [
      [hashOf(one), new Blob([one])],
      [hashOf(two), new Blob(["tw0" + two.slice(3)])],
    ]);
    expect(wrong.status).toBe(400);
    expect((await post(path, [[hashOf(two), new Blob([two + "more"])]])).status).toBe(400);
    expect((await post(path, [[hashOf("other"), new Blob(["other"])]])).status).toBe(400);
    expect((await post(path, [[hashOf(one), new Blob([one])]])).status).toBe(400);
    expect((await post(path, [[hashOf(two), two]])).status).toBe(400);
    expect((await blobs(message.session, [two])).message).toEqual({ uploaded: 1, remaining: 0 });
    expect(await leftovers()).toEqual([]);
  });

  test("of a session that is another's, unknown or expired are refused", async () => {
    const text = fresh("late");
    const { message } = await open([fileOf("a", text)]);
    expect((await blobs(message.session, [text], viewer)).status).toBe(404);
    expect((await blobs("019a0000-0000-7000-8000-000000000001", [text])).status).toBe(404);
    aheadMs += HOUR_MS;
    expect((await blobs(message.session, [text])).status).toBe(410);
  });

  test("are not taken as JSON", async () => {
    const { message } = await open([fileOf("a", "x")]);
    expect((await server.post(`build-requests/${message.session}/blobs`, alice, {})).status).toBe(
      415,
    );
  });
});

describe("dispatch", () => {
  async function ready(files = [fileOf("default.nix", fresh("{ }"))], texts?: string[]) {
    const { message } = await open(files);
    if (texts !== undefined) await blobs(message.session, texts);
    return `build-requests/${message.session}/dispatch`;
  }

  test("queues an evaluation of exactly these files, without a fetch, in a project that only the server changes", async () => {
    const [code, tool] = [fresh("{ }"), fresh("#!/bin/sh")];
    const files = [
      fileOf("z/code.nix", code),
      { ...fileOf("tool", tool), executable: true },
      fileOf("default.nix", code),
    ];
    const { message } = await server.post(await ready(files, [code, tool]), alice, {
      target: "packages.x",
    });
    expect(message).toEqual({
      evaluation: expect.any(String),
      project: expect.any(String),
      commit: expect.any(String),
      cache: "main",
    });
    const evaluation = (await server.get(`evals/${message.evaluation}`, alice)).message;
    expect(evaluation).toMatchObject({
      status: "Queued",
      wildcard: "packages.x",
      commit: ZERO_COMMIT,
      project_name: "build-request",
      repository: expect.stringMatching(/^\/nix\/store\/[0-9a-z]{32}-source$/),
    });
    const row = await server.services.database.kysely
      .selectFrom("evaluations")
      .select("source_path")
      .where("id", "=", message.evaluation)
      .executeTakeFirstOrThrow();
    expect(`/nix/store/${row.source_path}`).toBe(evaluation.repository);
    const narinfo = await server.get(`/cache/main/${row.source_path?.slice(0, 32)}.narinfo`, alice);
    expect(narinfo.text).toMatch(/^CA: fixed:r:sha256:/m);
    const project = "projects/acme/build-request";
    expect((await server.get(project, alice)).message).toMatchObject({
      id: message.project,
      managed: true,
      wildcard: "*",
    });
    expect((await server.delete(project, alice)).status).toBe(403);
    expect((await server.patch(project, alice, { wildcard: "x" })).status).toBe(403);
  });

  test("shows the project in the list unless the organization hides it", async () => {
    const text = fresh("{ }");
    await server.post(await ready([fileOf("default.nix", text)], [text]), alice);
    const names = async () =>
      (await server.get("projects/acme", alice)).message.items.map(
        (item: { name: string }) => item.name,
      );
    expect(await names()).toContain("build-request");
    await server.patch("orgs/acme", alice, { hide_build_requests: true });
    expect(await names()).not.toContain("build-request");
    expect((await server.get("projects/acme", alice)).message.total).toBe(0);
    await server.patch("orgs/acme", alice, { hide_build_requests: false });
  });

  test("the same files are the same source, whatever their order and whoever sends them", async () => {
    const [one, two] = [fresh("one"), fresh("two")];
    const files = [fileOf("b", one), fileOf("a", two), fileOf("a.b/c", one)];
    const sources = [];
    for (const each of [files, files.toReversed()]) {
      const path = await ready(each, sources.length === 0 ? [one, two] : undefined);
      const { message } = await server.post(path, alice);
      sources.push((await server.get(`evals/${message.evaluation}`, alice)).message.repository);
    }
    expect(sources[0]).toBe(sources[1]);
  });

  test("is refused while files are missing, and the second time", async () => {
    const text = fresh("{ }");
    const path = await ready([fileOf("default.nix", text)]);
    expect((await server.post(path, alice)).status).toBe(409);
    await blobs(path.split("/")[1] ?? "", [text]);
    expect((await server.post(path, alice)).status).toBe(200);
    expect((await server.post(path, alice)).status).toBe(409);
    expect((await blobs(path.split("/")[1] ?? "", [text])).status).toBe(409);
  });

  test("of two at once makes one evaluation", async () => {
    const text = fresh("{ }");
    const path = await ready([fileOf("default.nix", text)], [text]);
    const answers = await Promise.all([server.post(path, alice), server.post(path, alice)]);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 409]));
  });

  test("asks again for a file that was lost", async () => {
    const text = fresh("{ }");
    const path = await ready([fileOf("default.nix", text)], [text]);
    const { message: org } = await server.get("orgs/acme", alice);
    await server.services.sourceFiles.removeBlob(org.id, hashOf(text));
    expect((await server.post(path, alice)).status).toBe(409);
    expect((await blobs(path.split("/")[1] ?? "", [text])).status).toBe(200);
    expect((await server.post(path, alice)).status).toBe(200);
  });

  test.each([
    [400, { target: "a,,b" }],
    [400, { input_overrides: [{ input_name: "1x", url: "github:a/b" }] }],
    [400, { input_overrides: [{ input_name: "x", url: "/etc" }] }],
    [400, { input_overrides: [{ input_name: "x", url: "path:/etc" }] }],
    [400, { input_overrides: [{ input_name: "x", url: "file:///etc" }] }],
    [400, { input_overrides: [{ input_name: "x", url: "git+file:///etc" }] }],
    [400, { input_overrides: [{ input_name: "x", url: "github:a/b --x" }] }],
    [400, { input_overrides: [{ input_name: "x", url: `path:/nix/store/${"0".repeat(32)}-x` }] }],
    [422, { target: 5 }],
  ])("is refused with %i: %j", async (status, body) => {
    const text = fresh("{ }");
    const path = await ready([fileOf("default.nix", text)], [text]);
    expect((await server.post(path, alice, body)).status).toBe(status);
    expect((await server.post(path, alice)).status).toBe(200);
  });

  test("of a session that is another's or expired is refused", async () => {
    const text = fresh("{ }");
    const path = await ready([fileOf("default.nix", text)], [text]);
    expect((await server.post(path, viewer)).status).toBe(404);
    aheadMs += HOUR_MS;
    expect((await server.post(path, alice)).status).toBe(410);
  });

  test("leaves no draft behind", async () => {
    const text = fresh("{ }");
    await server.post(await ready([fileOf("default.nix", text)], [text]), alice);
    expect(await leftovers()).toEqual([]);
  });
});

describe("a source in chunks", () => {
  let nar: Buffer;
  const put = async (upload: string, offset: number | string, body: Uint8Array, token = alice) => {
    const url = `${server.url}/api/v1/build-requests/source/${upload}/chunk?offset=${offset}`;
    const response = await fetch(url, {
      method: "PUT",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/octet-stream" },
      body,
    });
    const { message } = (await response.json()) as { message: unknown };
    return { status: response.status, message };
  };

  beforeEach(async () => {
    nar = await narOfText(fresh("tree").repeat(1000));
  });

  test("begins at 0, goes on at its length, and says its length for every other offset", async () => {
    const steps = [
      [0, nar.subarray(0, 100), 100],
      [100, nar.subarray(100, 200), 200],
      [100, nar.subarray(100, 200), 200],
      [5000, nar.subarray(0, 10), 200],
      [0, nar.subarray(0, 50), 50],
      [50, nar.subarray(50), nar.length],
    ] as const;
    for (const [offset, bytes, received] of steps) {
      expect((await put("steps", offset, bytes)).message).toEqual({ received });
    }
    const done = await server.post(
      "build-requests/source/steps/finalize?organization=acme",
      alice,
      { target: "x" },
    );
    expect(done.message).toMatchObject({ cache: "main", evaluation: expect.any(String) });
    expect(await leftovers()).toEqual([]);
  });

  test("gives the same source as its files", async () => {
    await put("same", 0, nar);
    const inChunks = await server.post(
      "build-requests/source/same/finalize?organization=acme",
      alice,
    );
    const atOnce = await post("build-requests/source?organization=acme", [
      ["target", "x"],
      ["nar", new Blob([nar])],
      ["system", "x86_64-linux"],
    ]);
    expect(atOnce.status).toBe(200);
    const repositories = [];
    for (const { evaluation } of [inChunks.message, atOnce.message]) {
      repositories.push((await server.get(`evals/${evaluation}`, alice)).message.repository);
    }
    expect(repositories[0]).toBe(repositories[1]);
  });

  test("belongs to the user who sent it", async () => {
    await put("mine", 0, nar);
    await server.post("orgs/acme/users", alice, { user: "bob", role: "Write" });
    const path = "build-requests/source/mine/finalize?organization=acme";
    expect((await server.post(path, bob)).status).toBe(400);
    await server.delete("orgs/acme/users", alice, { user: "bob" });
    expect((await server.post(path, bob)).status).toBe(404);
    expect((await server.post(path, viewer)).status).toBe(403);
    expect((await server.post(path, alice)).status).toBe(200);
  });

  test("that is no NAR is refused and removed", async () => {
    await put("bad", 0, Buffer.from("hello"));
    const path = "build-requests/source/bad/finalize?organization=acme";
    const answer = await server.post(path, alice);
    expect([answer.status, answer.json?.code]).toEqual([400, "bad_nar"]);
    expect((await server.post(path, alice)).message).toContain("nothing was uploaded");
    const atOnce = await post("build-requests/source?organization=acme", [
      ["nar", new Blob(["hello"])],
    ]);
    expect([atOnce.status, atOnce.code]).toEqual([400, "bad_nar"]);
    expect(await leftovers()).toEqual([]);
  });

  test("that is too large is refused, and names that are paths are too", async () => {
    expect((await put("large", 0, Buffer.alloc(2 ** 20 + 1))).status).toBe(413);
    expect((await put("a..b", 0, nar)).status).toBe(400);
    expect((await put("a%2Fb", 0, nar)).status).toBe(400);
    expect((await put("x", -1, nar)).status).toBe(400);
    expect((await put("x", 0, nar, "wrong")).status).toBe(401);
  });

  test("without an archive is refused", async () => {
    const source = "build-requests/source?organization=acme";
    expect((await post(source, [["target", "x"]])).status).toBe(400);
    expect((await post(source, [["other", new Blob([nar])]])).status).toBe(400);
    expect((await post(source, [["nar", new Blob([nar])]], bob)).status).toBe(404);
  });
});

describe("a direct build", () => {
  const build = (
    parts: readonly [string, string | Blob, string?][],
    token = alice,
  ): ReturnType<typeof post> => post("builds", parts, token);
  const file = (path: string, text = fresh("{ }")): [string, Blob, string] => [
    "files",
    new Blob([text]),
    path,
  ];

  test("starts an evaluation without a project, and is listed", async () => {
    const answer = await build([
      ["organization", "acme"],
      ["derivation", "hello"],
      file("default.nix"),
      file("lib/deep/x.nix"),
      ["tags", '{"PIPELINE":"42"}'],
    ]);
    expect(answer.message).toMatch(/^Direct build started with evaluation ID: [0-9a-f-]{36}$/);
    const id = answer.message.slice("Direct build started with evaluation ID: ".length);
    expect((await server.get(`evals/${id}`, alice)).message).toMatchObject({
      project: null,
      wildcard: "hello",
      status: "Queued",
      commit: ZERO_COMMIT,
    });
    const tags = await server.services.database.kysely
      .selectFrom("evaluation_tags")
      .innerJoin("tags", "tags.id", "evaluation_tags.tag_id")
      .select(["name", "value"])
      .where("evaluation_id", "=", id)
      .execute();
    expect(tags).toEqual([{ name: "PIPELINE", value: "42" }]);
    const { message } = await server.get("builds/direct/recent", viewer);
    expect(message[0]).toEqual({
      id: expect.any(String),
      derivation: "hello",
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/),
      evaluation_id: id,
      status: "Unknown",
    });
    expect((await server.get("builds/direct/recent", bob)).message).toEqual([]);
    expect((await server.get("builds/direct/recent")).status).toBe(401);
    expect(await leftovers()).toEqual([]);
  });

  test.each([
    [
      400,
      [
        ["organization", "acme"],
        ["derivation", "x"],
      ],
    ],
    [400, [["organization", "acme"], file("a")]],
    [400, [["derivation", "x"], file("a")]],
    [400, [["organization", "acme"], ["derivation", "a,,b"], file("a")]],
    [400, [["organization", "acme"], ["derivation", "x"], file("../a")]],
    [400, [["organization", "acme"], ["derivation", "x"], file("/a")]],
    [400, [["organization", "acme"], ["derivation", "x"], file("C:\\a")]],
    [400, [["organization", "acme"], ["derivation", "x"], file("a"), file("a")]],
    [400, [["organization", "acme"], ["derivation", "x"], file("a"), file("a/b")]],
    [404, [["organization", "nobody"], ["derivation", "x"], file("a")]],
    [409, [["organization", "poor"], ["derivation", "x"], file("a")]],
    [413, [["organization", "acme"], ["derivation", "x"], file("a", "x".repeat(2 ** 20 + 1))]],
  ] as [number, [string, string | Blob, string?][]][])(
    "is refused with %i and nothing of it stays: %j",
    async (status, parts) => {
      expect((await build(parts)).status).toBe(status);
      expect(await leftovers()).toEqual([]);
    },
  );

  test("needs the right", async () => {
    const parts: [string, string | Blob, string?][] = [
      ["organization", "acme"],
      ["derivation", "x"],
      file("a"),
    ];
    expect((await build(parts, viewer)).status).toBe(403);
    expect((await build(parts, bob)).status).toBe(404);
  });

  test("of a client that goes away leaves nothing behind", async () => {
    const gone = httpRequest(`${server.url}/api/v1/builds`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${alice}`,
        "content-type": "multipart/form-data; boundary=edge",
        "content-length": "1000000",
      },
    });
    const closed = new Promise((resolve) => gone.on("close", resolve));
    gone.on("error", () => undefined);
    gone.write(
      `--edge\r\ncontent-disposition: form-data; name="files"; filename="a"\r\n\r\n${"x".repeat(100_000)}`,
    );
    await untilTrue(async () => (await leftovers()).length > 0);
    gone.destroy();
    await closed;
    await untilTrue(async () => (await leftovers()).length === 0);
    expect((await server.get("health")).status).toBe(200);
  });

  test("with a body that is no multipart is refused", async () => {
    const broken = await server.call("POST", "builds", {
      token: alice,
      body: "nothing",
      headers: { "content-type": "multipart/form-data; boundary=edge" },
    });
    expect(broken.status).toBe(400);
    const without = await server.call("POST", "builds", {
      token: alice,
      body: "nothing",
      headers: { "content-type": "multipart/form-data" },
    });
    expect(without.status).toBe(400);
    expect((await server.post("builds", alice, {})).status).toBe(415);
  });
});

/** Asks again until it is so; the test's own limit ends what never is. */
async function untilTrue(ask: () => Promise<boolean>): Promise<void> {
  while (!(await ask())) await nextTurn();
}
