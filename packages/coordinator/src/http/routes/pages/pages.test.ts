import { organizationIdSchema, workerIdSchema } from "@gradient/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  addSceneBuilds,
  addSceneEvaluation,
  addSceneProject,
  moveSceneBuild,
  SCENE_TIME,
  type SceneProject,
} from "../../../db/cuirass-scene.test-support.ts";
import { openTestServer, type Answer, type TestServer } from "../../server.test-support.ts";

const LINUX = "x86_64-linux";
const FIRST = "1".repeat(40);
const SECOND = "2".repeat(40);
const EVIL = `<img src=x onerror=alert(1)>"'&`;

let server: TestServer;
let alice: string;
let acme: SceneProject;
let hidden: SceneProject;
let first: { id: string; number: number };
let second: { id: string; number: number };
let secret: { id: string; number: number };
let numbers: Map<string, number>;

const packages = (name: string) => ["packages", LINUX, name];
const numberOf = (name: string): number => numbers.get(name) ?? 0;
const open = (path: string, token?: string): Promise<Answer> => server.get(path, token);
/** As a browser does. */
const browse = (path: string): Promise<Answer> =>
  server.call("GET", path, { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } });
/** Texts of a page, without its tags. */
const textOf = ({ text }: Answer): string =>
  text
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .replaceAll("&lt;", "<")
    .replaceAll("&amp;", "&");

/** Where a page leads on (`next`) or back (`prev`). */
const link = (page: Answer, rel: string) =>
  new RegExp(`href="([^"]+)" rel="${rel}"`).exec(page.text)?.[1]?.replaceAll("&amp;", "&");

beforeAll(async () => {
  server = await openTestServer({ logs: playedLogs });
  const db = server.services.database.kysely;
  alice = await server.user("alice");
  await server.put("orgs", alice, { name: "closed", display_name: "Closed" });
  const closed = (await server.get("orgs/closed", alice)).message;
  acme = await addSceneProject(db, { organization: "acme", project: "web", isPublic: true });
  hidden = await addSceneProject(db, {
    organization: "closed",
    project: "secret",
    isPublic: false,
    organizationId: closed.id,
  });
  first = await addSceneEvaluation(db, acme, { state: "Completed", commit: FIRST });
  const a = await addSceneBuilds(db, acme, first.id, [
    { name: "good-1", attribute: packages("good"), state: "Completed", attempt: "built" },
    {
      name: "bad-1",
      attribute: packages("bad"),
      state: "FailedPermanent",
      attempt: "build_failed",
    },
    { name: "gone-1", attribute: packages("gone"), state: "Completed", attempt: "built" },
  ]);
  second = await addSceneEvaluation(db, acme, { state: "Building", commit: SECOND });
  const b = await addSceneBuilds(db, acme, second.id, [
    {
      name: "good-2",
      attribute: packages("good"),
      state: "FailedPermanent",
      attempt: "build_failed",
    },
    { name: "bad-2", attribute: packages("bad"), state: "Completed", attempt: "built" },
    { name: "evil-1", attribute: packages(EVIL), state: "Queued", attempt: "pending" },
    { name: "runs-1", attribute: packages("runs"), state: "Building", attempt: "running" },
    { name: "glibc-2", state: "Substituted" },
  ]);
  secret = await addSceneEvaluation(db, hidden, { state: "Completed", commit: FIRST });
  const c = await addSceneBuilds(db, hidden, secret.id, [
    { name: "hidden-1", attribute: packages("hidden"), state: "Completed", attempt: "built" },
  ]);
  numbers = new Map([...a, ...b, ...c]);
});
afterAll(() => server[Symbol.asyncDispose]());

const LOG = "Running phase: buildPhase\n\u001b[31merror:\u001b[0m <b>no</b>\n";
const playedLogs = {
  text: async function* () {
    yield LOG;
    yield "half a line";
  },
  size: () => Promise.resolve(LOG.length),
  follow: async function* (_attempt: number, offset: number) {
    yield `from ${offset}\n`;
  },
};

describe("who looks without credentials", () => {
  test("sees public projects with their newest evaluation, and nothing of others", async () => {
    const page = await open("/");
    expect([page.status, page.headers.get("content-type")]).toEqual([
      200,
      "text/html; charset=utf-8",
    ]);
    expect(textOf(page)).toContain("acme.web");
    expect(page.text).toContain(`href="/eval/${second.number}/dashboard"`);
    expect(textOf(page)).toContain("1 succeeded · 1 failed · 1 running · 1 scheduled");
    expect(textOf(page)).toContain("1 broken");
    expect(textOf(page)).toContain("1 fixed");
    expect(page.text).not.toContain("secret");
  });

  test("is told of what is private as of what is not there", async () => {
    const paths = [
      "/jobset/closed.secret",
      `/eval/${secret.number}`,
      `/eval/${secret.number}/dashboard`,
      `/build/${numberOf("hidden-1")}/details`,
      `/build/${numberOf("hidden-1")}/log`,
      "/jobset/no.such",
      "/eval/999",
      "/eval/x",
      "/build/999/details",
      "/machine/550e8400-e29b-41d4-a716-446655440001",
      `/eval/${second.number}/dashboard/AAAAAAAAAAAAAAAA`,
    ];
    for (const path of paths) {
      const page = await browse(path);
      expect([path, page.status, page.headers.get("content-type")]).toEqual([
        path,
        404,
        "text/html; charset=utf-8",
      ]);
      expect(textOf(page)).toContain("There is no such page");
    }
    expect(textOf(await open("/search?query=hidden"))).toContain("No build was found");
    expect(textOf(await open("/workers"))).toContain("sign in");
  });
});

test("a browser that asks for what is not there gets a page, and a program what its API says", async () => {
  const accept = "text/html,application/xhtml+xml,*/*;q=0.8";
  for (const path of ["/nothing", "/eval/1/nothing", "/jobset", "/account/nothing"]) {
    const page = await server.call("GET", path, { headers: { accept } });
    expect([path, page.status]).toEqual([path, 404]);
    expect(textOf(page)).toContain(`there is no page ${path}`);
    const { headers } = await open(path);
    expect(headers.get("content-type")).not.toContain("html");
  }
  const api = await server.call("GET", "/api/v1/nothing", { headers: { accept } });
  expect(api.json?.code).toBe("not_found");
});

describe("who shows a token in the address", () => {
  test("sees what it may see, and goes on with it", async () => {
    const page = await open(`/?token=${alice}`);
    expect(textOf(page)).toContain("closed.secret");
    const link = /href="(\/eval\/\d+\?token=[^"]+)"/.exec(page.text)?.[1] ?? "";
    expect(link).not.toBe("");
    for (const [, address] of page.text.matchAll(/href="(\/eval\/[^"]+)"/g)) {
      expect((await open(address?.replaceAll("&amp;", "&") ?? "")).status).toBe(200);
    }
    expect((await open(`/build/${numberOf("hidden-1")}/details`, alice)).status).toBe(200);
  });

  test("sees what is public when it is not good", async () => {
    const page = await open("/?token=nonsense");
    expect([page.status, textOf(page).includes("acme.web")]).toEqual([200, true]);
  });
});

test("programs are refused as Cuirass does it", async () => {
  const build = await open("/build/999/details");
  expect([build.status, build.json]).toEqual([404, { error: "Build with ID 999 doesn't exist." }]);
  const search = await open("/search");
  expect([search.status, search.json]).toEqual([500, { error: "Query parameter not provided!" }]);
});

test("every page says what it may load, and that nobody keeps it", async () => {
  for (const path of ["/", `/eval/${second.number}`, "/eval/999", "/search?query=", "/status"]) {
    const { headers } = await open(path);
    expect(headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self'/,
    );
    expect(headers.get("cache-control")).toMatch(/no-cache|no-store/);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  }
});

describe("a project's page", () => {
  test("lists its evaluations, ten a page, and pages lead to each other", async () => {
    const db = server.services.database.kysely;
    for (let more = 0; more < 21; more += 1) {
      await addSceneEvaluation(db, hidden, { state: "Completed", commit: FIRST });
    }
    const shown = (page: Answer) =>
      [...page.text.matchAll(/<th scope="row"><a href="\/eval\/(\d+)/g)].map(([, n]) => Number(n));
    const seen: number[] = [];
    let page = await open(`/jobset/closed.secret?token=${alice}`);
    expect(link(page, "prev")).toBeUndefined();
    for (;;) {
      expect(shown(page).length).toBeLessThanOrEqual(10);
      seen.push(...shown(page));
      const next = link(page, "next");
      if (next === undefined) break;
      const before = page;
      page = await open(next);
      const back = await open(link(page, "prev") ?? "");
      expect(shown(back)).toEqual(shown(before));
    }
    expect(seen).toHaveLength(22);
    expect(seen).toEqual(seen.toSorted((x, y) => y - x));
  });

  test("shows what the project is called, unless that is its name", async () => {
    const db = server.services.database.kysely;
    const call = async (display_name: string): Promise<string> => {
      const projects = db.updateTable("projects").set({ display_name });
      await projects.where("id", "=", acme.projectId).execute();
      return (await open("/jobset/acme.web")).text;
    };
    expect(await call("Pages of the web")).toContain(">Pages of the web<");
    expect(await call("web")).not.toContain(">web<");
  });

  test("counts what succeeded, failed and is newly failed", async () => {
    const page = await open("/jobset/acme.web");
    expect(page.text).toContain(`href="/eval/${second.number}?status=newly-failed"`);
    expect(textOf(page)).toContain("2 succeeded · 1 failed");
    expect(page.text).toContain(
      'type="application/rss+xml" href="/events/rss?specification=acme.web"',
    );
  });
});

describe("an evaluation's page", () => {
  const jobs = (page: Answer) =>
    [...page.text.matchAll(/<th scope="row"><a href="\/build\/\d+\/details[^>]*>([^<]*)/g)].map(
      ([, name]) => name,
    );
  const evaluation = (query = "") => open(`/eval/${second.number}${query}`);

  test("shows the commit, the one before, and what is different", async () => {
    const page = await evaluation();
    for (const text of [
      SECOND.slice(0, 10),
      FIRST.slice(0, 10),
      "Broken 1",
      "Fixed 1",
      "New 2",
      "Gone 1",
    ]) {
      expect(textOf(page)).toContain(text);
    }
  });

  test("has tabs with counts, each with its jobs", async () => {
    expect(jobs(await evaluation())).toHaveLength(4);
    expect(jobs(await evaluation("?status=succeeded"))).toEqual([`bad.${LINUX}`]);
    expect(jobs(await evaluation("?status=failed"))).toEqual([`good.${LINUX}`]);
    expect(jobs(await evaluation("?status=newly-failed"))).toEqual([`good.${LINUX}`]);
    expect(jobs(await evaluation("?status=pending"))).toHaveLength(2);
    expect(jobs(await evaluation("?status=nonsense&paginate=0"))).toHaveLength(4);
    const page = await evaluation("?status=failed");
    expect(page.text).toMatch(/aria-current="page">Failed <span class="count">1</);
  });

  test("goes on and back by names", async () => {
    const all = jobs(await evaluation());
    const on = await evaluation(`?after=bad.${LINUX}`);
    expect(jobs(on)).toEqual(all.slice(all.indexOf(`bad.${LINUX}`) + 1));
    const back = /href="([^"]+)" rel="prev"/.exec(on.text)?.[1]?.replaceAll("&amp;", "&") ?? "";
    expect([...jobs(await open(back)), ...jobs(on)]).toEqual(all);
  });

  test("is read by Cuirass's borders: what stopped last comes first, what has not stopped last", async () => {
    const newest = "border-high-time=9999999999&border-high-id=1";
    const all = ["bad-2", "good-2", "runs-1", "evil-1"].map(numberOf);
    const shown = (page: Answer) =>
      [...page.text.matchAll(/<th scope="row"><a href="\/build\/(\d+)\//g)].map(([, n]) =>
        Number(n),
      );
    expect(shown(await evaluation(`?${newest}`))).toEqual(all);
    const stopped = Math.floor((SCENE_TIME + 12_500) / 1000);
    const at = (number: number, time = stopped) => `time=${time}&border-high-id=${number}`;
    const older = (name: string, time?: number) => `?border-high-${at(numberOf(name), time)}`;
    expect(shown(await evaluation(older("bad-2")))).toEqual(all.slice(1));
    expect(shown(await evaluation(older("runs-1", 0)))).toEqual(all.slice(3));
    const newer = `border-low-time=0&border-low-id=${numberOf("runs-1")}`;
    expect(shown(await evaluation(`?${newer}`))).toEqual(all.slice(0, 2));
    expect(shown(await evaluation(`${older("bad-2")}&${newer}`))).toEqual([numberOf("good-2")]);
    expect(shown(await evaluation(`${older("bad-2")}&status=failed`))).toEqual([
      numberOf("good-2"),
    ]);
    expect(shown(await evaluation(`${older("good-2")}&status=newly-failed`))).toEqual([]);
    const first = await evaluation(`?${newest}&status=failed`);
    expect(link(first, "next")).toBeUndefined();
    expect(shown(await open(link(first, "prev") ?? ""))).toEqual([]);
    // One half of a border, or one that is no number, is none: the page as it is without.
    for (const none of [
      `border-high-time=0`,
      "border-high-time=x&border-high-id=1",
      "border-low-id=",
    ]) {
      expect(jobs(await evaluation(`?${none}`))).toEqual(jobs(await evaluation()));
    }
  });

  test("has ten jobs a page behind Cuirass's borders, which lead on and back", async () => {
    const db = server.services.database.kysely;
    const many = await addSceneEvaluation(db, hidden, { state: "Completed" });
    const builds = Array.from({ length: 23 }, (_, at) => ({
      name: `many-${at}`,
      attribute: packages(`many-${at}`),
      state: "Completed" as const,
      attempt: "built" as const,
      // Several stop in the same second.
      startedAfterMs: 20_000 + Math.floor(at / 4) * 1000,
    }));
    await addSceneBuilds(db, hidden, many.id, builds);
    let page = await open(
      `/eval/${many.number}?token=${alice}&border-high-time=9999999999&border-high-id=1`,
    );
    const seen: (string | undefined)[] = [];
    for (;;) {
      expect(jobs(page).length).toBeLessThanOrEqual(10);
      seen.push(...jobs(page));
      const next = link(page, "next");
      if (next === undefined) break;
      const before = page;
      page = await open(next);
      expect(jobs(await open(link(page, "prev") ?? ""))).toEqual(jobs(before));
    }
    expect(seen).toEqual(builds.map(({ name }) => `${name}.${LINUX}`).toReversed());
  });

  test("shows names of users as text", async () => {
    for (const path of ["", "/dashboard"]) {
      const page = await open(`/eval/${second.number}${path}`);
      expect(page.text).not.toContain("<img");
      expect(page.text).toContain("&lt;img%20src%3Dx%20onerror%3Dalert(1)>");
    }
    const search = await open(`/search?query=${encodeURIComponent(EVIL)}`);
    expect(search.text).not.toContain("<img");
  });
});

test("a dashboard has a square for each job, of one system or one list when that is asked", async () => {
  const squares = (page: Answer) => page.text.match(/class="square is-[\w-]+" data-job/g) ?? [];
  const path = `/eval/${second.number}/dashboard`;
  expect(squares(await open(path))).toHaveLength(4);
  expect(squares(await open(`${path}?system=${LINUX}`))).toHaveLength(4);
  expect(squares(await open(`${path}?system=riscv64-linux`))).toHaveLength(0);
  const names = `good.${LINUX},nothing`;
  const registered = await server.get(`/api/dashboard/register?spec=acme.web&names=${names}`);
  const { id } = JSON.parse(registered.text) as { id: string };
  const chosen = await open(`${path}/${id}`);
  expect(squares(chosen)).toHaveLength(1);
  expect(chosen.text).toContain(`href="/eval/${first.number}/dashboard/${id}"`);
  expect((await open(`/eval/${secret.number}/dashboard/${id}?token=${alice}`)).status).toBe(404);
});

describe("a build's page", () => {
  const build = (name: string, token?: string) => open(`/build/${numberOf(name)}/details`, token);

  test("shows what is known of it", async () => {
    const page = await build("good-2");
    for (const text of [
      "good.x86_64-linux",
      "Failed",
      "broken",
      "good-2.drv",
      SECOND.slice(0, 10),
      "Last builds of this job",
    ]) {
      expect(textOf(page)).toContain(text);
    }
    expect(page.text).toContain(`href="/build/${numberOf("good-1")}/details"`);
    expect(page.text).toContain(`href="/build/${numberOf("good-2")}/log"`);
  });

  test("says what one that has not begun waits for", async () => {
    expect(textOf(await build("evil-1"))).toContain("No connected worker builds for x86_64-linux");
    const db = server.services.database.kysely;
    const { number: attempt } = await db
      .selectFrom("attempts")
      .select("number")
      .where("status", "=", "pending")
      .executeTakeFirstOrThrow();
    const worker = workerIdSchema.parse("550e8400-e29b-41d4-a716-446655440000");
    server.live.push({
      worker,
      capabilities: { fetch: true, eval: true, build: true },
      systems: [LINUX],
      systemFeatures: [],
      maxConcurrentBuilds: 2,
      assignedCount: 1,
      isDraining: false,
      authorized: new Set([organizationIdSchema.parse(acme.organizationId)]),
    });
    server.calls.missingMemory.set(attempt, { neededBytes: 2 ** 30, freeBytes: 2 ** 20 });
    expect(textOf(await build("evil-1"))).toContain(
      "It waits for memory: it gets 1024 MiB, and no worker with a free slot has more than 1 MiB left.",
    );
    server.live.pop();
    const idOf = async (name: string) =>
      (
        await db
          .selectFrom("derivations")
          .select("id")
          .where("name", "=", name)
          .executeTakeFirstOrThrow()
      ).id;
    await db
      .insertInto("derivation_inputs")
      .values({
        derivation_id: await idOf("evil-1"),
        input_id: await idOf("runs-1"),
        outputs_json: '["out"]',
      })
      .execute();
    const page = await build("evil-1");
    expect(textOf(page)).toContain("It waits for runs-1 to be built.");
    expect(textOf(page)).toContain("1 direct dependency");
  });

  test("tells since when its job fails", async () => {
    const db = server.services.database.kysely;
    const third = await addSceneEvaluation(db, acme, {
      state: "Completed",
      commit: "3".repeat(40),
    });
    const more = await addSceneBuilds(db, acme, third.id, [
      {
        name: "good-3",
        attribute: packages("good"),
        state: "FailedPermanent",
        attempt: "build_failed",
      },
    ]);
    const page = await open(`/build/${more.get("good-3")}/details`);
    expect(textOf(page)).toContain(
      `Fails since #${numberOf("good-2")} of evaluation #${second.number}`,
    );
    expect(textOf(page)).toContain("still failing");
  });

  test("is there by the name of its derivation, too", async () => {
    const page = await build("good-1");
    const derivation = /\/nix\/store\/([\w.-]+\.drv)/.exec(page.text)?.[1] ?? "";
    expect((await open(`/build/${derivation}/details`)).status).toBe(200);
  });
});

describe("a log's page", () => {
  test("is readable text with its colours and phases", async () => {
    const page = await open(`/build/${numberOf("good-2")}/log`);
    expect(page.text).toContain("<summary>buildPhase</summary>");
    expect(page.text).toContain('<span class="ansi-fg-1">error:</span> &lt;b>no&lt;/b>');
    expect(page.text).toContain("half a line");
    expect(page.text).not.toContain("data-follow");
  });

  test("of a build that runs ends with a whole line, and goes on from there", async () => {
    const page = await open(`/build/${numberOf("runs-1")}/log`);
    expect(page.text).not.toContain("half a line");
    const address = /data-follow="([^"]+)"/.exec(page.text)?.[1]?.replaceAll("&amp;", "&") ?? "";
    const more = await open(address);
    expect([more.status, more.text]).toEqual([200, `from ${Buffer.byteLength(LOG)}\n`]);
    const other = address.replace(/attempt=\d+/, "attempt=99");
    expect((await open(other)).status).toBe(404);
  });
});

test("a search finds builds by names, and tells what could be asked", async () => {
  const page = await open("/search?query=good");
  expect(page.text).toContain(`href="/build/${numberOf("good-1")}/details"`);
  expect(page.text).toContain('value="good"');
  for (const page of [await open("/search?query="), await browse("/search")])
    expect(textOf(page)).toContain("What can be asked");
  const hints = async (query: string) =>
    JSON.parse((await open(`/search/hints?query=${encodeURIComponent(query)}`)).text) as unknown;
  expect(await hints("bad")).toEqual(["bad-2", "bad-1"]);
  expect(await hints("bad spec:ac")).toEqual(["bad spec:acme.web"]);
  expect(await hints("hidden")).toEqual([]);
  expect(await hints("")).toEqual([]);
});

test("what runs, machines and figures are shown", async () => {
  expect(textOf(await open("/status"))).toContain("Running builds");
  const metrics = await open("/status/metrics");
  expect(metrics.text.match(/<svg [^>]*data-chart/g)?.length).toBeGreaterThanOrEqual(1);
  const worker = "550e8400-e29b-41d4-a716-446655440001";
  await server.post("orgs/closed/workers", alice, { worker_id: worker, display_name: "builder" });
  const workers = await open("/workers", alice);
  expect(textOf(workers)).toContain("builder");
  expect(textOf(workers)).toContain("away");
  const machine = await open(`/machine/${worker}`, alice);
  expect([machine.status, textOf(machine).includes(worker)]).toEqual([200, true]);
  expect((await open(`/machine/${worker}`)).status).toBe(404);
});

test("a build that ends is shown so when the page is asked for again", async () => {
  await moveSceneBuild(server.services.database.kysely, "runs-1", "Completed");
  const page = await open(`/eval/${second.number}?status=succeeded`);
  expect(textOf(page)).toContain(`runs.${LINUX}`);
});

test("every link leads somewhere, also where nothing was evaluated well", async () => {
  const db = server.services.database.kysely;
  const idle = await addSceneProject(db, {
    organization: "acme",
    project: "idle",
    isPublic: true,
    organizationId: acme.organizationId,
  });
  const { number } = await addSceneEvaluation(db, idle, { state: "Failed" });
  expect(textOf(await open("/status/metrics"))).toContain("1 failed");
  const pages = [`/eval/${number}`, `/eval/${second.number}`, "/jobset/acme.idle", "/"];
  const links = new Set<string>();
  for (const path of [...pages, "/search", "/workers", "/status", "/status/metrics"]) {
    const { text } = await open(path);
    for (const [, href = ""] of text.matchAll(/<a [^>]*href="(\/[^"#]*)/g)) {
      links.add(href.replaceAll("&amp;", "&"));
    }
  }
  expect(links.size).toBeGreaterThan(20);
  const answers = await Promise.all(
    [...links].map(async (path) => [path, (await open(path)).status] as const),
  );
  expect(answers.filter(([, status]) => status >= 400)).toEqual([]);
});
