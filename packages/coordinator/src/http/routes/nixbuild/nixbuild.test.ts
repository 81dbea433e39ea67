import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { ManualClock } from "../../../manual-clock.test-support.ts";
import { noteFigures } from "../../../db/attempt-repository.ts";
import { buildObject, isoTime, type BuildObject } from "../../../nixbuild/build-object.ts";
import { ATTEMPT_STATES } from "../../../scheduler/attempt-state.ts";
import { openTestServer, type Answer, type TestServer } from "../../server.test-support.ts";
import { drvOf, makeOrganization, seedAttempt } from "./attempts.test-support.ts";

const DAY = Date.UTC(2027, 0, 10);
const HOUR = 3_600_000;

let server: TestServer;
let alice: string;
let bob: string;
let acme: string;
const numbers = new Map<string, number>();
const clock = new ManualClock();

const RUN = { GITHUB_REPOSITORY: "acme/widgets", GITHUB_RUN_ID: "77" };

/** One attempt of each status, an hour after the other, on the same day. */
beforeAll(async () => {
  server = await openTestServer({ clock, env: { GRADIENT_NIXBUILD_PREFIX: "/nixbuild" } });
  alice = await server.user("alice");
  bob = await server.user("bob");
  acme = await makeOrganization(server, alice, "acme");
  for (const [at, status] of ATTEMPT_STATES.entries()) {
    const { number } = await seedAttempt(db(), {
      organizationId: acme,
      name: `pkg-${status.replaceAll("_", "-")}`,
      status,
      createdAt: DAY + at * HOUR + 69,
      startedAfterMs: status === "client_error" ? null : 1469,
      tags: status === "built" || status === "build_failed" ? RUN : {},
      message: status === "build_failed" ? "builder failed with exit code 1" : null,
    });
    numbers.set(status, number);
  }
  const other = await makeOrganization(server, bob, "other");
  await seedAttempt(db(), {
    organizationId: other,
    name: "secret",
    status: "built",
    createdAt: DAY,
  });
});
afterAll(() => server[Symbol.asyncDispose]());

const db = () => server.services.database.kysely;
const numberOf = (status: string): number => numbers.get(status) ?? 0;
const get = (path: string, token: string | undefined = alice): Promise<Answer> =>
  server.get(path, token);
const list = async (query = ""): Promise<BuildObject[]> =>
  z.array(buildObject).parse((await get(`/builds${query}`)).json);
const statuses = async (query: string): Promise<string[]> =>
  (await list(query)).map((build) => build.status);

describe("a build object", () => {
  test("has every field, filled from what was measured", async () => {
    expect((await get(`/builds/${numberOf("built")}`)).json).toEqual({
      build_id: numberOf("built"),
      create_time: "2027-01-10T02:00:00.069Z",
      start_time: "2027-01-10T02:00:01.538Z",
      queue_time_seconds: 1.469,
      duration_seconds: 2,
      build_status: "built",
      status: "built",
      status_message: "",
      cpu_count: 4,
      allocated_megabytes: 2048,
      cpu_seconds: 3,
      peak_memory_use_kilobytes: 4883,
      peak_storage_use_kilobytes: 8,
      derivation_path: `/nix/store/${drvOf("pkg-built")}`,
      outputs: [
        {
          name: "out",
          path: `/nix/store/${drvOf("pkg-built").slice(0, -4)}`,
          nar_hash: expect.stringMatching(/^sha256-[A-Za-z0-9+/]{43}=$/),
          nar_size_bytes: 4096,
        },
      ],
      system: "x86_64-linux",
      tags: RUN,
      restart_of_build_id: null,
      restarted_as_build_id: null,
    });
  });

  test.each(ATTEMPT_STATES)("that is %s has numbers where clients compute", async (status) => {
    const build = (await get(`/builds/${numberOf(status)}`)).json;
    expect(build).toMatchObject({ status, build_status: status });
    for (const count of ["build_id", "cpu_count", "allocated_megabytes", "cpu_seconds"]) {
      expect(build, count).toHaveProperty(count, expect.any(Number));
    }
    expect(build).toHaveProperty("outputs", status === "built" ? [expect.anything()] : []);
    expect(build).toHaveProperty("start_time", expect.stringMatching(/^2027-01-10T.*Z$/));
  });

  test("that waits starts when it was created, and one that runs has no duration yet", async () => {
    const pending = (await get(`/builds/${numberOf("pending")}`)).json;
    expect(pending).toMatchObject({
      start_time: "2027-01-10T00:00:00.069Z",
      queue_time_seconds: 0,
      duration_seconds: null,
      cpu_seconds: 0,
      peak_memory_use_kilobytes: null,
    });
    const running = (await get(`/builds/${numberOf("running")}`)).json;
    expect(running).toMatchObject({ duration_seconds: null, queue_time_seconds: 1.469 });
  });

  test("that runs tells what it has used so far", async () => {
    const number = numberOf("running");
    const note = (cpuMs: number | null, bytes: number | null) =>
      noteFigures(db(), number, { cpuMs, memoryPeakBytes: bytes, storagePeakBytes: null });
    await note(1500, 3_000_000);
    const [running] = await list("?status=running");
    const { cpu_seconds, peak_memory_use_kilobytes } = running ?? {};
    expect([cpu_seconds, peak_memory_use_kilobytes]).toEqual([2, 2930]);
    await note(null, null);
    expect((await get(`/builds/${number}`)).json).toMatchObject({
      cpu_seconds: 0,
      peak_memory_use_kilobytes: null,
    });
  });

  test("has times whose fractions end in no zero", async () => {
    const dora = await server.user("dora");
    const organizationId = await makeOrganization(server, dora, "times");
    for (const fraction of [0, 1, 10, 69, 100, 250, 500, 999]) {
      const createdAt = DAY - 86_400_000 + 1000 * fraction + fraction;
      const seed = { organizationId, name: `at-${fraction}`, createdAt, startedAfterMs: 0 };
      const { number } = await seedAttempt(db(), { ...seed, status: "built" });
      const { json } = await get(`/builds/${number}`, dora);
      const time = isoTime(createdAt);
      expect(time).not.toMatch(/\.\d*0Z$/);
      expect(json).toMatchObject({ create_time: time, start_time: time, queue_time_seconds: 0 });
    }
  });

  test("has times to the microsecond, which add up, and CPU seconds of just that time", async () => {
    const erin = await server.user("erin");
    const organizationId = await makeOrganization(server, erin, "micro");
    const seed = {
      organizationId,
      status: "built",
      createdAt: DAY,
      cores: 1,
      cpuMs: null,
    } as const;
    for (const [name, durationMs, startedUs, stoppedUs] of [
      ["whole", 1000, 456, 456],
      ["over", 1000, 456, 457],
      ["under", 1000, 456, 450],
    ] as const) {
      await seedAttempt(db(), { ...seed, name, durationMs, startedUs, stoppedUs });
    }
    const builds = z
      .array(buildObject)
      .parse((await get("/builds", erin)).json)
      .toReversed();
    expect(
      builds.map((build) => [build.queue_time_seconds, build.duration_seconds, build.cpu_seconds]),
    ).toEqual([
      [1.000456, 1, 1],
      [1.000456, 1.000001, 2],
      [1.000456, 0.999994, 1],
    ]);
    expect(new Set(builds.map((build) => build.start_time))).toEqual(
      new Set(["2027-01-10T00:00:01.000456Z"]),
    );
    const summary = (await get("/builds/summary", erin)).json;
    expect(summary).toMatchObject({
      total_cpu_seconds: 4,
      total_duration_seconds: 2.999995,
      wall_time_seconds: 1.000001,
    });
    // Of a part of a day attempts are counted themselves.
    const path = "/builds/summary?create_time_to=2027-01-10T00:30:00Z";
    expect((await get(path, erin)).json).toEqual(summary);
  });

  test("that was never executed has used nothing", async () => {
    const build = (await get(`/builds/${numberOf("client_error")}`)).json;
    expect(build).toMatchObject({ cpu_seconds: 0, duration_seconds: null });
  });
});

describe("GET /builds", () => {
  test("lists the newest first, and nothing of strangers", async () => {
    expect(await statuses("")).toEqual(ATTEMPT_STATES.toReversed());
    expect((await get("/builds", bob)).json).toHaveLength(1);
  });

  test("of several organizations are in one order, and added up together", async () => {
    const carol = await server.user("carol");
    const organizations = [
      await makeOrganization(server, carol, "left"),
      await makeOrganization(server, carol, "right"),
    ];
    const made: number[] = [];
    for (let at = 0; at < 24; at += 1) {
      const { number } = await seedAttempt(db(), {
        organizationId: organizations[at % 3 === 0 ? 1 : 0] ?? "",
        name: `mixed-${at}`,
        status: at % 2 === 0 ? "built" : "timeout",
        createdAt: DAY + at * HOUR,
        tags: { GROUP: at < 12 ? "a" : "b", KIND: "mixed" },
      });
      made.unshift(number);
    }
    const numbersOf = async (query: string): Promise<unknown[]> => {
      const answer: unknown = (await get(`/builds${query}`, carol)).json;
      return Array.isArray(answer) ? answer.map((build) => build.build_id) : [];
    };
    expect(await numbersOf("")).toEqual(made);
    expect(await numbersOf("?limit=7")).toEqual(made.slice(0, 7));
    expect(await numbersOf("?tags=GROUP:a,KIND:mixed")).toEqual(made.slice(12));
    expect(await numbersOf("?status=timeout,built&limit=20")).toEqual(made.slice(0, 20));
    const query = "?tags=KIND:mixed&create_time_from=2027-01-10T01:30:00Z";
    const summary = (await get(`/builds/summary${query}`, carol)).json;
    expect(summary).toMatchObject({ build_count: 22, successful_build_count: 11 });
  });

  test("takes raw tags, and all have to match", async () => {
    const raw = "?tags=GITHUB_REPOSITORY:acme/widgets,GITHUB_RUN_ID:77";
    expect(await statuses(raw)).toEqual(["build_failed", "built"]);
    expect(await statuses(`${raw}&status=built`)).toEqual(["built"]);
    expect(await statuses("?tags=GITHUB_REPOSITORY%3Aacme%2Fwidgets%2CGITHUB_RUN_ID%3A77")).toEqual(
      ["build_failed", "built"],
    );
    expect(await statuses("?tags=GITHUB_RUN_ID:77&tags=GITHUB_RUN_ID:78")).toEqual([]);
    expect(await statuses("?tags=GITHUB_REPOSITORY:acme/widgets,GITHUB_RUN_ID:78")).toEqual([]);
    expect(await statuses("?tags=github_run_id:77")).toEqual([]);
    expect(await statuses("?tags=")).toHaveLength(ATTEMPT_STATES.length);
  });

  test("splits a tag at its first colon, and a value may have a comma", async () => {
    await seedAttempt(db(), {
      organizationId: acme,
      name: "tagged",
      status: "built",
      createdAt: DAY - 40 * 24 * HOUR,
      tags: { WORKFLOW: "a: b, c" },
    });
    expect(await list("?tags=WORKFLOW:a:%20b,%20c")).toHaveLength(1);
  });

  test.each([
    ["?create_time_from=2027-01-10T09:00:00Z", 2],
    ["?create_time_from=2027-01-10T11:00:00+02:00", 2],
    ["?create_time_from=2027-01-10T09:00:00.069Z", 2],
    ["?create_time_from=2027-01-10T09:00:00.069001Z", 1],
    ["?create_time_from=2027-01-10&create_time_to=2027-01-10T02:00", 2],
    ["?create_time_from=2027-01-10&create_time_to=2027-01-10T01:00:00.069Z", 1],
    ["?create_time_from=2027-01-11", 0],
    ["?limit=3", 3],
    ["?limit=0", 0],
    ["?limit=100000", 12],
    ["?status=timeout,cancelled", 2],
    [`?derivation_path=/nix/store/${drvOf("pkg-timeout")}`, 1],
    ["?derivation_path=/nix/store/nothing.drv", 0],
    [`?derivation_path=${drvOf("pkg-timeout")}&status=built`, 0],
  ])("%s gives %i builds", async (query, count) => {
    expect(await list(query)).toHaveLength(count);
  });

  test.each([
    "?status=nonsense",
    "?limit=-1",
    "?limit=many",
    "?create_time_from=yesterday",
    "?create_time_to=2026-02-30",
    "?tags=nothing",
    "?tags=:x",
  ])("%s is refused in this API's shape", async (query) => {
    const answer = await get(`/builds${query}`);
    expect([answer.status, answer.json]).toEqual([400, { error: expect.any(String) }]);
  });
});

describe("GET /builds/summary", () => {
  const all = "?create_time_from=2027-01-10";

  test("counts by class, and adds up seconds", async () => {
    // Nine statuses have ended; all but one were executed, with 2.5 s of CPU in 2 s each.
    expect((await get(`/builds/summary${all}`)).json).toEqual({
      build_count: 11,
      running_build_count: 2,
      discarded_build_count: 2,
      failed_build_count: 6,
      successful_build_count: 1,
      total_cpu_seconds: 24,
      billable_cpu_seconds: 18,
      total_duration_seconds: 16,
      wall_time_seconds: (8 * HOUR + 2000) / 1000,
      total_output_nar_size_kilobytes: 4,
    });
  });

  test.each([
    ["?create_time_from=2027-01-10T02:00:00Z&create_time_to=2027-01-10T05:00:00Z", 3],
    ["?create_time_from=2027-01-10T02:30:00Z&create_time_to=2027-01-10T05:30:00Z", 3],
    ["?create_time_from=2027-01-10T02:00:00.069Z&create_time_to=2027-01-10T02:00:00.070Z", 1],
    ["?create_time_to=2027-01-10T01:00:00Z&create_time_from=2027-01-10", 1],
    [`${all}&status=built,timeout,running`, 3],
    [`${all}&tags=GITHUB_RUN_ID:77`, 2],
    [`${all}&tags=GITHUB_RUN_ID:77,GITHUB_REPOSITORY:acme/widgets`, 2],
    [`${all}&tags=GITHUB_RUN_ID:77,GITHUB_REPOSITORY:acme/widgets&status=built`, 1],
    [`${all}&tags=GITHUB_RUN_ID:78`, 0],
  ])("%s counts %i", async (query, count) => {
    expect((await get(`/builds/summary${query}`)).json).toMatchObject({ build_count: count });
  });

  test("of nothing has zeros and never null", async () => {
    const summary = (await get("/builds/summary?tags=NO:THING")).json ?? {};
    expect(Object.values(summary)).toEqual(Array.from({ length: 10 }, () => 0));
  });
});

describe("GET /usage", () => {
  test.each([
    ["?from=2027-01-10&to=2027-01-11", 18, 6],
    ["?from=2027-01-11", 0, 0],
    ["?from=2027-01-01&to=2027-01-10", 0, 0],
    ["", 18, 6],
  ])("%s", async (query, seconds, count) => {
    expect((await get(`/usage${query}`)).json).toEqual({
      billable_cpu_seconds: seconds,
      billable_build_count: count,
    });
  });

  test("takes dates alone", async () => {
    const answer = await get("/usage?from=2027-01-10T00:00:00Z");
    expect([answer.status, answer.json]).toEqual([400, { error: expect.any(String) }]);
  });
});

describe("who may ask", () => {
  const places = ["/builds", "/builds/summary", "/usage", "/builds/1", "/builds/1/url"];

  test.each(places)("%s needs a token", async (path) => {
    for (const token of ["", "GRADnonsense"]) {
      const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
      const answer = await server.call("GET", path, { headers });
      expect([answer.status, answer.json]).toEqual([401, { error: expect.any(String) }]);
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    }
  });

  test("a key without the permission to view is refused, one with it may read", async () => {
    const blind = await server.key(alice, { permissions: ["triggerEvaluation"] });
    const reader = await server.key(alice, { permissions: ["viewOrg"] });
    for (const path of ["/builds", "/builds/summary", "/usage", `/builds/${numberOf("built")}`]) {
      expect((await get(path, blind)).status, path).toBe(403);
      expect((await get(path, reader)).status, path).toBe(200);
    }
  });

  test("a key that is pinned to an organization sees that one alone", async () => {
    await makeOrganization(server, alice, "empty");
    const pinned = await server.key(alice, { permissions: ["viewOrg"], organization: "empty" });
    expect((await get("/builds", pinned)).json).toEqual([]);
    expect((await get(`/builds/${numberOf("built")}`, pinned)).status).toBe(404);
  });

  test.each(["0", "999999", "x", "1.5", "-1"])("build %s does not exist", async (id) => {
    const answer = await get(`/builds/${id}`);
    expect([answer.status, answer.json]).toEqual([404, { error: expect.any(String) }]);
  });

  test("a stranger's build does not exist, unless its organization is public", async () => {
    const path = `/builds/${numberOf("built")}`;
    expect((await get(path, bob)).status).toBe(404);
    await server.post("orgs/acme/public", alice);
    expect((await get(path, bob)).status).toBe(200);
    expect((await get("/builds", bob)).json).toHaveLength(1);
    await server.delete("orgs/acme/public", alice);
  });

  test("what is not there, and other methods, are refused in this API's shape", async () => {
    expect((await get("/builds/1/nothing")).json).toEqual({ error: expect.any(String) });
    const posted = await server.post("/builds", alice, {});
    expect([posted.status, posted.json]).toEqual([405, { error: expect.any(String) }]);
    expect(posted.headers.get("allow")).toBe("GET, HEAD");
    const undecodable = await get("/builds/%zz");
    expect([undecodable.status, undecodable.json]).toEqual([400, { error: expect.any(String) }]);
  });

  test("all of it is also served where the setting says", async () => {
    expect((await get("/nixbuild/builds?limit=1")).json).toHaveLength(1);
    expect((await get("/nixbuild/usage")).status).toBe(200);
    expect((await get("/nixbuild/nothing")).json).toEqual({ error: expect.any(String) });
  });
});

describe("a signed link", () => {
  const local = (url: string): string => url.replace("https://farm.example:8443", "");
  const linkTo = async (status: string, query = ""): Promise<{ url: string; expires_at: string }> =>
    (await get(`/builds/${numberOf(status)}/url${query}`)).json as never;

  test("shows the build and its log to whoever has it, until it expires", async () => {
    const link = await linkTo("build_failed", "?ttl_seconds=60");
    expect(link.expires_at).toBe("2027-01-15T08:01:00Z");
    const page = await server.call("GET", local(link.url));
    expect(page.status).toBe(200);
    expect(page.text).toContain("builder failed with exit code 1");
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(page.headers.get("referrer-policy")).toBe("same-origin");
    const log = await server.call("GET", local(link.url).replace("/details", "/log"));
    expect([log.status, log.headers.get("x-content-type-options")]).toEqual([200, "nosniff"]);
    await clock.advance(61_000);
    expect((await server.call("GET", local(link.url))).status).toBe(403);
  });

  test("opens nothing else", async () => {
    const url = local((await linkTo("build_failed")).url);
    const failed = String(numberOf("build_failed"));
    const elsewhere = [
      url.replace(`/builds/${failed}/`, `/builds/${numberOf("built")}/`),
      url.replace(/expires=\d+/, "expires=9999999999"),
      url.replace(/signature=.{4}/, "signature=AAAA"),
      url.replace(/&signature=.*/, ""),
      url.replace(/\?.*/, ""),
    ];
    for (const path of elsewhere) {
      expect((await server.call("GET", path)).status, path).toBe(403);
    }
    for (const path of [url.replace("/details", ""), url.replace("/details", "/url")]) {
      expect((await server.call("GET", path)).status, path).toBe(401);
    }
  });

  test("is only made for who may read the build, and for a time that makes sense", async () => {
    expect((await get(`/builds/${numberOf("built")}/url`, bob)).status).toBe(404);
    for (const ttl of ["0", "-5", "soon"]) {
      expect((await get(`/builds/${numberOf("built")}/url?ttl_seconds=${ttl}`)).status).toBe(400);
    }
    const longest = await linkTo("built", "?ttl_seconds=999999999");
    expect(longest.expires_at.slice(0, 10)).toBe("2027-02-14");
  });
});
