import { randomBytes } from "node:crypto";
import { readdir, readlink } from "node:fs/promises";
import { Readable } from "node:stream";
import { extract } from "tar-stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decompress } from "zstd-napi";
import { systemClock } from "../../../../clock.ts";
import { showTree } from "../../../products.test-support.ts";
import { seedEvaluation, type Seed } from "../../../seed.test-support.ts";
import { openTestServer, type Answer, type TestServer } from "../../../server.test-support.ts";

const HOUR_MS = 3_600_000;

/** Added to the time. */
let passedMs = 0;
let server: TestServer;
let alice: string;
let bob: string;
let seed: Seed;
let out: string;

beforeAll(async () => {
  server = await openTestServer({
    clock: { ...systemClock, now: () => Date.now() + passedMs },
  });
  alice = await server.user("alice");
  bob = await server.user("bob");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  const project = { name: "p", display_name: "P", repository: "https://x.yy/z", wildcard: "*" };
  const projectId = String((await server.put("projects/acme", alice, project)).message);
  const { id: organizationId } = (await server.get("orgs/acme", alice)).message;
  const cache = { name: "main", display_name: "Main", priority: 40 };
  const cacheId = String((await server.put("caches", alice, cache)).message);
  await server.post("orgs/acme/subscribe/main", alice);
  const { kysely } = server.services.database;
  seed = await seedEvaluation(kysely, { organizationId, projectId, userId: null });
  out = seed.broken.drvPath.replace(/\.drv$/, "");
  const doc = `${out.slice(0, 31)}1-broken-doc`;
  await kysely
    .updateTable("derivation_outputs")
    .set({ path: doc })
    .where("derivation_id", "=", seed.broken.derivationId)
    .where("name", "=", "doc")
    .execute();
  await kysely
    .updateTable("builds")
    .set({ state: "Completed" })
    .where("derivation_id", "=", seed.broken.derivationId)
    .execute();
  const products = [
    `file iso /nix/store/${out}/iso/disk.iso`,
    `report html /nix/store/${out}/report.html`,
    `doc manual "/nix/store/${out}/share/doc" index.html`,
    `doc text /nix/store/${doc}/notes.txt`,
    `file link /nix/store/${out}/latest`,
    `file gone /nix/store/${out}/not-there`,
    `file foreign /nix/store/${seed.base.drvPath.replace(/\.drv$/, "")}/secret`,
    `file outside /nix/store/${out}/../../etc/passwd`,
    `file strange /nix/store/${out}/na"me%.txt`,
    "file",
    "",
  ];
  await showTree(server, cacheId, out, {
    "iso/disk.iso": "0123456789",
    "report.html": "<h1>fine</h1>",
    "share/doc/index.html": "<p>doc</p>",
    "share/doc/run": { run: "#!/bin/sh\n" },
    latest: { link: "iso/disk.iso" },
    escape: { link: "../other" },
    'na"me%.txt': "x",
    "nix-support/hydra-build-products": products.join("\n"),
  });
  await showTree(server, cacheId, doc, { "notes.txt": "notes" });
});
afterAll(() => server[Symbol.asyncDispose]());

const setPublic = (isPublic: 0 | 1) =>
  server.services.database.kysely.updateTable("organizations").set({ public: isPublic }).execute();

const download = (name: string, token: string | undefined = alice, headers = {}) =>
  server.call("GET", `builds/${seed.broken.id}/download/${name}`, { token, headers });

const header = (answer: Answer, name: string) => answer.headers.get(name);

describe("the products of a build", () => {
  test("are what its outputs name, with the sizes of files, and nothing of other store paths", async () => {
    const { message } = await server.get(`builds/${seed.broken.id}/downloads`, alice);
    const product = (file_type: string, subtype: string, path: string, size: number | null) => ({
      file_type,
      subtype,
      name: path.slice(path.lastIndexOf("/") + 1),
      path: `/nix/store/${path}`,
      size,
    });
    expect(message).toEqual([
      product("file", "iso", `${out}/iso/disk.iso`, 10),
      product("report", "html", `${out}/report.html`, 13),
      product("doc", "manual", `${out}/share/doc`, null),
      product("doc", "text", `${out.slice(0, 31)}1-broken-doc/notes.txt`, null),
      product("file", "link", `${out}/latest`, 10),
      product("file", "gone", `${out}/not-there`, null),
      product("file", "strange", `${out}/na"me%.txt`, 1),
    ]);
    expect((await server.get(`builds/${seed.base.id}/downloads`, alice)).message).toEqual([]);
  });

  test("are listed by attribute and output for the whole evaluation", async () => {
    const { message } = await server.get(`evals/${seed.evaluationId}/artefacts`, alice);
    expect(message).toMatchObject({
      evaluation: seed.evaluationId,
      created_at: "2025-11-22T00:00:00.000Z",
    });
    const [broken, app] = message.entry_points;
    expect(app).toEqual({
      attr: "packages.app",
      derivation: seed.app.drvPath,
      build_id: seed.app.id,
      outputs: [{ name: "out", store_path: seed.app.drvPath.slice(0, -4), products: [] }],
    });
    expect(broken).toMatchObject({ attr: 'packages."bro.ken"', build_id: seed.broken.id });
    expect(broken.outputs.map((output: { name: string }) => output.name)).toEqual(["doc", "out"]);
    const products = broken.outputs[1].products as { id: string; path: string }[];
    expect(products.map(({ path }) => path)).toEqual(products.map(({ path }) => path).toSorted());
    expect(products.find(({ path }) => path.endsWith(".iso"))).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      type: "file",
      subtype: "iso",
      name: "disk.iso",
      path: `/nix/store/${out}/iso/disk.iso`,
      size: 10,
    });
    const again = await server.get(`evals/${seed.evaluationId}/artefacts`, alice);
    expect(again.message).toEqual(message);
  });

  test("are announced in every list of builds", async () => {
    const { builds } = (await server.get(`evals/${seed.evaluationId}/builds`, alice)).message;
    const flags = builds.map((build: { id: string; has_artefacts: boolean }) => [
      build.id,
      build.has_artefacts,
    ]);
    expect(Object.fromEntries(flags)).toEqual({
      [seed.base.id]: false,
      [seed.lib.id]: false,
      [seed.app.id]: false,
      [seed.broken.id]: true,
    });
    const entries = (await server.get("projects/acme/p/entry-points", alice)).message;
    expect(entries.map((entry: { has_artefacts: boolean }) => entry.has_artefacts)).toEqual([
      false,
      true,
    ]);
  });

  test("are gone when no cache of the organization shows the output", async () => {
    const { kysely } = server.services.database;
    await kysely.updateTable("caches").set({ active: 0 }).execute();
    expect((await server.get(`builds/${seed.broken.id}/downloads`, alice)).message).toEqual([]);
    expect((await download("disk.iso")).status).toBe(404);
    await kysely.updateTable("caches").set({ active: 1 }).execute();
  });
});

describe("a download", () => {
  test("of a file is its bytes as an attachment that no browser runs", async () => {
    const answer = await download("disk.iso");
    expect([answer.status, answer.text]).toEqual([200, "0123456789"]);
    expect(header(answer, "content-type")).toBe("application/octet-stream");
    expect(header(answer, "content-length")).toBe("10");
    expect(header(answer, "content-disposition")).toBe('attachment; filename="disk.iso"');
    expect(header(answer, "x-content-type-options")).toBe("nosniff");
    expect(header(answer, "content-security-policy")).toMatch(/^sandbox; default-src 'none'/);
  });

  test("of a report is shown by browsers, without scripts and requests", async () => {
    const answer = await download("report.html");
    expect(header(answer, "content-type")).toBe("text/html; charset=utf-8");
    expect(header(answer, "content-disposition")).toBe('inline; filename="report.html"');
    expect(header(answer, "content-security-policy")).not.toContain("script");
    expect(answer.text).toBe("<h1>fine</h1>");
  });

  test("of a directory is a tar archive, compressed with zstd", async () => {
    const response = await fetch(`${server.url}/api/v1/builds/${seed.broken.id}/download/doc`, {
      headers: { authorization: `Bearer ${alice}` },
    });
    expect(response.headers.get("content-type")).toBe("application/zstd");
    expect(response.headers.get("content-disposition")).toBe('attachment; filename="doc.tar.zst"');
    const archive = decompress(Buffer.from(await response.arrayBuffer()));
    const names: string[] = [];
    for await (const entry of Readable.from([archive]).pipe(extract())) {
      names.push(entry.header.name);
      entry.resume();
    }
    expect(names).toEqual(["doc/", "doc/index.html", "doc/run"]);
  });

  test("follows links inside of the output, and finds products in other outputs", async () => {
    expect((await download("latest")).text).toBe("0123456789");
    expect((await download("notes.txt")).text).toBe("notes");
    expect(header(await download("notes.txt"), "content-type")).toBe("text/plain; charset=utf-8");
  });

  test("of strange names is named so that every client understands it", async () => {
    const answer = await download(encodeURIComponent('na"me%.txt'));
    expect(header(answer, "content-disposition")).toBe(
      `attachment; filename="na_me_.txt"; filename*=UTF-8''na%22me%25.txt`,
    );
  });

  test("of what is not named, or does not exist, is 404", async () => {
    for (const name of ["other", "not-there", "passwd", "secret", "escape", "..%2Freport.html"]) {
      const answer = await download(name);
      expect([answer.status, answer.json?.error], name).toEqual([404, true]);
    }
  });

  test("can be a part of a file, and only its head", async () => {
    const part = await download("disk.iso", alice, { range: "bytes=3-5" });
    expect([part.status, part.text]).toEqual([206, "345"]);
    expect(header(part, "content-range")).toBe("bytes 3-5/10");
    const tail = await download("disk.iso", alice, { range: "bytes=-2" });
    expect(tail.text).toBe("89");
    const beyond = await download("disk.iso", alice, { range: "bytes=10-" });
    expect([beyond.status, header(beyond, "content-range")]).toEqual([416, "bytes */10"]);
    const head = await server.call("HEAD", `builds/${seed.broken.id}/download/disk.iso`, {
      token: alice,
    });
    expect([head.status, head.text, header(head, "content-length")]).toEqual([200, "", "10"]);
  });
});

/** Descriptors of this process that are open on stored NARs. */
async function openNars(): Promise<number> {
  const links = await Promise.all(
    (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")),
  );
  return links.filter((target) => target.endsWith(".nar.zst")).length;
}

test("who goes away in the middle of a download leaves nothing open", async () => {
  const base = seed.app.drvPath.replace(/\.drv$/, "");
  const { id: cacheId } = await server.services.database.kysely
    .selectFrom("caches")
    .select("id")
    .executeTakeFirstOrThrow();
  await showTree(server, cacheId, base, {
    "big/file": randomBytes(24 * 1024 * 1024).toString("latin1"),
    "nix-support/hydra-build-products": `file big /nix/store/${base}/big/file\ndoc big /nix/store/${base}/big`,
  });
  for (const name of ["file", "big"]) {
    const gone = new AbortController();
    const response = await fetch(`${server.url}/api/v1/builds/${seed.app.id}/download/${name}`, {
      headers: { authorization: `Bearer ${alice}` },
      signal: gone.signal,
    });
    const reader = response.body?.getReader();
    expect((await reader?.read())?.value?.length).toBeGreaterThan(0);
    expect(await openNars()).toBe(1);
    gone.abort();
    await reader?.cancel().catch(() => undefined);
    await expect.poll(openNars).toBe(0);
  }
  const head = await server.call("HEAD", `builds/${seed.app.id}/download/big`, { token: alice });
  expect(head.status).toBe(200);
  await expect.poll(openNars).toBe(0);
});

describe("who may download", () => {
  const path = () => `builds/${seed.broken.id}/download/disk.iso`;

  test("of a private organization: members", async () => {
    expect((await server.get(path())).status).toBe(401);
    expect((await server.get(path(), bob)).status).toBe(404);
    const missing = `builds/019a0000-0000-7000-8000-0000000000ff/download/disk.iso`;
    expect((await server.get(missing)).status).toBe(401);
    expect((await server.get(missing, alice)).status).toBe(404);
  });

  test("of a public organization: everybody", async () => {
    await setPublic(1);
    expect((await server.get(path())).text).toBe("0123456789");
    expect((await server.get(`evals/${seed.evaluationId}/artefacts`)).status).toBe(200);
    await setPublic(0);
  });

  test("with a token: whoever has it, for an hour and this build only", async () => {
    const token = String(
      (await server.get(`builds/${seed.broken.id}/download-token`, alice)).message,
    );
    expect((await server.get(`${path()}?token=${token}`)).text).toBe("0123456789");
    expect((await server.get(`${path()}?token=${token}`, bob)).text).toBe("0123456789");
    const other = String(
      (await server.get(`builds/${seed.base.id}/download-token`, alice)).message,
    );
    expect((await server.get(`${path()}?token=${other}`)).status).toBe(401);
    expect((await server.get(`${path()}?token=${alice}`)).status).toBe(401);
    expect((await server.get("user", token)).status).toBe(401);
    passedMs = HOUR_MS + 1000;
    expect((await server.get(`${path()}?token=${token}`)).status).toBe(401);
    passedMs = 0;
  });

  test("makes tokens: members", async () => {
    const token = `builds/${seed.broken.id}/download-token`;
    expect((await server.get(token)).status).toBe(401);
    expect((await server.get(token, bob)).status).toBe(404);
    const key = await server.key(alice, { permissions: ["triggerEvaluation"] });
    expect((await server.get(token, key)).status).toBe(403);
  });
});

describe("the link to an entry point's product", () => {
  const link = (query: string) => `projects/acme/p/entry-point-downloads?${query}`;
  const query = `eval=packages.%22bro.ken%22&filename=disk.iso`;

  test("gives the bytes of the newest build, also when a newer evaluation has none", async () => {
    expect((await server.get(link(query), alice)).text).toBe("0123456789");
    const { kysely } = server.services.database;
    const {
      id: _id,
      number: _number,
      ...row
    } = await kysely.selectFrom("evaluations").selectAll().executeTakeFirstOrThrow();
    const newer = "01ffffff-0000-7000-8000-000000000000";
    await kysely
      .insertInto("evaluations")
      .values({ ...row, id: newer, created_at: row.created_at + 1 })
      .execute();
    expect((await server.get(link(query), alice)).text).toBe("0123456789");
    await kysely.deleteFrom("evaluations").where("id", "=", newer).execute();
  });

  test("takes a token in the address", async () => {
    expect((await server.get(link(query))).status).toBe(404);
    expect((await server.get(link(`${query}&token=${alice}`))).text).toBe("0123456789");
    const key = await server.key(alice, { permissions: ["viewOrg"] });
    expect((await server.get(link(`${query}&token=${key}`))).text).toBe("0123456789");
    expect((await server.get(link(`${query}&token=nonsense`))).status).toBe(401);
    expect((await server.get(link(`${query}&token=${bob}`))).status).toBe(404);
  });

  test("says what is wrong", async () => {
    expect((await server.get(link("filename=x"), alice)).status).toBe(400);
    expect((await server.get(link("eval=a..b&filename=x"), alice)).status).toBe(400);
    const unknown = await server.get(link("eval=packages.none&filename=x"), alice);
    expect([unknown.status, unknown.message]).toEqual([
      404,
      'no late evaluation of project "p" has built the entry point "packages.none"',
    ]);
    expect((await server.get(link(query.replace("disk", "disc")), alice)).status).toBe(404);
  });
});
