import { afterAll, beforeAll, expect, test } from "vitest";
import { seedEvaluation, type Seed } from "../../../seed.test-support.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;
let alice: string;
let seed: Seed;

const project = { display_name: "P", repository: "https://x.yy/z", wildcard: "*" };

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.put("projects/acme", alice, { ...project, name: "empty" });
  await server.put("projects/acme", alice, { ...project, name: "tools" });
  const { id, organization } = (await server.get("projects/acme/tools", alice)).message;
  seed = await seedEvaluation(server.services.database.kysely, {
    organizationId: organization,
    projectId: id,
    userId: null,
  });
});
afterAll(() => server[Symbol.asyncDispose]());

const badge = (query = "", name = "tools", token: string | undefined = alice) =>
  server.get(`projects/acme/${name}/badge${query}`, token);

const title = async (query?: string, name?: string) =>
  /<title>(.*)<\/title>/.exec((await badge(query, name)).text)?.[1];

const setEvaluation = (state: string) =>
  server.services.database.kysely.updateTable("evaluations").set({ state }).execute();

const setBuild = (derivationId: number, state: string) =>
  server.services.database.kysely
    .updateTable("builds")
    .set({ state })
    .where("derivation_id", "=", derivationId)
    .execute();

test("a badge is an SVG image that nobody keeps", async () => {
  const answer = await badge();
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toBe("image/svg+xml; charset=utf-8");
  expect(answer.headers.get("cache-control")).toBe("no-cache");
  expect(answer.text).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" .*<\/svg>$/);
});

test("it tells how the newest evaluation stands", async () => {
  expect(await title("", "empty")).toBe("build: unknown");
  const shown: Record<string, string> = {};
  for (const state of ["Queued", "Fetching", "Building", "Waiting", "Completed", "Aborted"]) {
    await setEvaluation(state);
    shown[state] = (await title()) ?? "";
  }
  expect(shown).toEqual({
    Queued: "build: queued",
    Fetching: "build: evaluating",
    Building: "build: building",
    Waiting: "build: queued",
    Completed: "build: passing",
    Aborted: "build: aborted",
  });
  await setEvaluation("Failed");
  expect(await title()).toBe("build: failing");
  await setBuild(seed.app.derivationId, "Completed");
  expect(await title()).toBe("build: partial");
});

test("it tells how one entry point stands in the newest ended evaluation", async () => {
  await setEvaluation("Failed");
  expect(await title("?eval=packages.app")).toBe("build: passing");
  expect(await title("?eval=packages.%22bro.ken%22")).toBe("build: failing");
  expect(await title("?eval=packages.none")).toBe("build: unknown");
  await setEvaluation("Building");
  expect(await title("?eval=packages.app")).toBe("build: unknown");
  expect((await badge("?eval=a..b")).status).toBe(400);
});

test("a label is text, whatever is in it", async () => {
  const evil = `"><script>alert(1)</script>&'`;
  const { text } = await badge(`?label=${encodeURIComponent(evil)}`);
  expect(text).not.toContain("<script>");
  expect(text).toContain("&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#39;");
  expect((await badge("?label=a%0Ab%00%08c")).text).toContain(">a b  c</text>");
  expect((await badge(`?label=${"x".repeat(101)}`)).status).toBe(400);
});

test("there are two styles", async () => {
  expect((await badge("?style=flat")).text).toContain("linearGradient");
  expect((await badge("?style=flat-square")).text).not.toContain("linearGradient");
  expect((await badge("?style=round")).status).toBe(400);
});

test("of a private project it is for members, or for who has a token of one in the address", async () => {
  const path = "projects/acme/tools/badge";
  expect((await server.get(path)).status).toBe(404);
  expect((await server.get(`${path}?token=${alice}`)).status).toBe(200);
  const key = await server.key(alice, { permissions: ["viewOrg"] });
  expect((await server.get(`${path}?token=${key}`)).status).toBe(200);
  expect((await server.get(`${path}?token=nonsense`)).status).toBe(401);
  const bob = await server.user("bob");
  expect((await server.get(`${path}?token=${bob}`)).status).toBe(404);
  await server.services.database.kysely.updateTable("organizations").set({ public: 1 }).execute();
  expect((await server.get(path)).status).toBe(200);
});
