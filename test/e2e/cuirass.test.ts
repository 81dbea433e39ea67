import { execa } from "execa";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/api-client.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm } from "../support/farm.ts";

interface CuirassBuild {
  id: number;
  evaluation: number;
  jobset: string;
  job: string;
  timestamp: number;
  starttime: number;
  stoptime: number;
  derivation: string;
  buildoutputs: Record<string, { path: string }>;
  system: string;
  nixname: string;
  buildstatus: number;
  weather: number;
  busy: 0 | 1;
  priority: number;
  finished: 0 | 1;
  buildproducts: { id: number; type: string; path: string; "file-size": number }[];
}

interface CuirassEvaluation {
  id: number;
  specification: string;
  status: number;
  timestamp: number;
  checkouttime: number;
  evaltime: number;
  checkouts: { commit: string; channel: string; directory: string }[];
}

interface CuirassJob {
  build: number;
  status: number;
  name: string;
}

const MEBIBYTE = 1024 * 1024;
const SYSTEM = "x86_64-linux";

/** Cuirass's clients, none of which has credentials, against builds that really happened. Limits are held where the test may make control groups. */
describe.runIf(process.getuid?.() === 0)("Cuirass's API", () => {
  let farm: TestFarm;
  let key: string;
  let first: CuirassEvaluation;
  let second: CuirassEvaluation;

  async function get(path: string) {
    const response = await request(`${farm.url}${path}`, {
      headers: { "user-agent": "GNU Guile" },
    });
    const text = await response.body.text();
    return { status: response.statusCode, headers: response.headers, text };
  }

  async function read<T>(path: string): Promise<T> {
    const { status, text } = await get(path);
    expect(status, `${path}: ${text}`).toBe(200);
    return JSON.parse(text) as T;
  }

  const jobsOf = async ({ id }: CuirassEvaluation): Promise<Record<string, CuirassJob>> => {
    const jobs = await read<CuirassJob[]>(`/api/jobs?evaluation=${id}`);
    return Object.fromEntries(jobs.map((job) => [job.name.replace(`.${SYSTEM}`, ""), job]));
  };

  /** A job's build in an evaluation. */
  const buildOf = async (evaluation: CuirassEvaluation, job: string): Promise<CuirassBuild> => {
    const { build } = (await jobsOf(evaluation))[job] ?? { build: 0 };
    return read<CuirassBuild>(`/build/${build}?`);
  };

  const newest = async (nr = 1): Promise<CuirassEvaluation[]> =>
    read<CuirassEvaluation[]>(`/api/evaluations?nr=${nr}&spec=acme.widgets`);

  /** As `git push` and its hook do it. */
  async function push(body: string): Promise<string> {
    const directory = join(farm.directory, "git", "widgets");
    await writeFile(join(directory, "default.nix"), expression(body));
    const git = (...argv: string[]) =>
      execa("git", ["-C", directory, "-c", "user.name=A", "-c", "user.email=a@b", ...argv]);
    await git("commit", "--quiet", "--all", "--message=Next");
    return (await git("rev-parse", "HEAD")).stdout.trim();
  }

  const callHook = (path: string) =>
    request(`${farm.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: "",
    });

  const PRODUCT = [
    "bb=${seed}/busybox",
    "$bb mkdir -p $out/nix-support $doc",
    "echo manual > $doc/index.txt",
    "echo image > $out/disk.iso",
    '{ echo "file iso $out/disk.iso"; echo "doc manual $doc/index.txt"; } > $out/nix-support/hydra-build-products',
  ].join("\n");
  const fill = "dd if=/dev/zero of=/dev/null count=1";
  const FIRST = `rec {
    good = mk "good-1" "echo built well; echo > $out" { };
    same = mk "same-1" "echo > $out" { };
    image = mk "image-1" ''\n${PRODUCT}\n'' { outputs = [ "out" "doc" ]; };
    fails = mk "fails-1" "echo this goes wrong; exit 3" { };
    dependent = mk "dependent-1" "echo > $out" { inherit fails; };
    times = mk "times-1" "sleep 60; echo > $out" { NIXBUILDNET_TIMEOUT = 1; };
    grows = mk "grows-1" "${fill} bs=90M; echo > $out" { };
    bounded = mk "bounded-1" "${fill} bs=400M; echo > $out" { NIXBUILDNET_MAX_MEM = 100; };
    throws = throw "nothing is made of this";
  }`;
  // After what the tests wait for, so that these do not take its place.
  const slow = (name: string) =>
    `${name} = mk "${name}-1" "echo begun; sleep 600" { inherit fails; };`;
  const SECOND = `rec {
    good = mk "good-2" "echo now it does not; exit 1" { };
    same = mk "same-1" "echo > $out" { };
    fails = mk "fails-2" "echo mended; echo > $out" { };
    ${["a", "b", "c", "d"].map((name) => slow(`slow-${name}`)).join("\n")}
  }`;

  beforeAll(async () => {
    farm = await TestFarm.start();
    startWith(farm, 64 * MEBIBYTE);
    await farm.addWorker("alpha", { flags: ["--max-concurrent-builds", "2"] });
    await farm.api.call("POST", "/orgs/acme/public");
    key = await farm.api.call<string>("POST", "/user/keys", {
      name: "hook",
      permissions: ["viewOrg", "triggerEvaluation"],
    });
    await farm.addFilesProject("widgets", "*", { "default.nix": expression(FIRST) });
    const evaluation = await farm.evaluate("widgets");
    await farm.ended(evaluation, 100_000);
    const [found] = await newest();
    if (found === undefined) throw new Error("there is no evaluation");
    first = found;
  }, 150_000);

  afterAll(async () => {
    await farm[Symbol.asyncDispose]();
  });

  test("an evaluation has one checkout, its times in order, and jobs that tell every end", async () => {
    expect(await read(`/api/evaluation?id=${first.id}`)).toEqual(first);
    expect(first).toMatchObject({ specification: "acme.widgets", status: 0 });
    expect(first.checkouts).toEqual([
      {
        commit: expect.stringMatching(/^[0-9a-f]{40}$/),
        channel: "widgets",
        directory: expect.stringMatching(/^\/nix\/store\/[0-9a-z]{32}-source$/),
      },
    ]);
    const times = [first.timestamp, first.checkouttime, first.evaltime];
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    const jobs = await jobsOf(first);
    expect(
      Object.fromEntries(Object.entries(jobs).map(([name, { status }]) => [name, status])),
    ).toEqual({
      bounded: 3,
      dependent: 2,
      fails: 1,
      good: 0,
      grows: 0,
      image: 0,
      same: 0,
      times: 3,
    });
    expect((await get(`/eval/${first.id}/log/raw`)).text).toContain("nothing is made of this");
  });

  test("a build that succeeded is found by number, derivation and output, and its log is text", async () => {
    const good = await buildOf(first, "good");
    expect(good).toMatchObject({
      evaluation: first.id,
      jobset: "acme.widgets",
      job: `good.${SYSTEM}`,
      system: SYSTEM,
      nixname: "good-1",
      buildstatus: 0,
      weather: -1,
      busy: 0,
      finished: 1,
      buildproducts: [],
    });
    expect(good.starttime).toBeGreaterThanOrEqual(first.timestamp);
    expect(good.stoptime).toBeGreaterThanOrEqual(good.starttime);
    expect(good.timestamp).toBe(good.stoptime);
    expect(await read(`/build/${good.derivation.slice("/nix/store/".length)}`)).toEqual(good);
    const output = good.buildoutputs["out"]?.path.slice("/nix/store/".length) ?? "";
    expect(await read(`/output/${output}`)).toEqual({
      name: "out",
      derivation: good.derivation,
      build: good,
    });
    for (const path of [`/build/${good.id}/log/raw`, `/log/${output}`]) {
      expect((await get(path)).text).toContain("built well");
    }
    expect((await get(`/cache/main/${output.slice(0, 32)}.narinfo`)).status).toBe(200);
  });

  test("one that failed otherwise, never began, or was restarted with more memory says so", async () => {
    expect(await buildOf(first, "dependent")).toMatchObject({ buildstatus: 2, starttime: 0 });
    expect((await buildOf(first, "dependent")).stoptime).toBeGreaterThan(0);
    expect((await buildOf(first, "times")).stoptime).toBeGreaterThan(0);
    expect(await buildOf(first, "grows")).toMatchObject({ buildstatus: 0, weather: -1 });
    const dependent = await buildOf(first, "dependent");
    expect((await get(`/build/${dependent.id}/log/raw`)).status).toBe(404);
  });

  test("a product is downloaded by its number, as a link to the latest image leads to it", async () => {
    const image = await buildOf(first, "image");
    const [product] = image.buildproducts;
    const { out, doc } = image.buildoutputs;
    // Each once, however many outputs there are.
    expect(image.buildproducts).toEqual([
      { id: expect.any(Number), type: "file", path: `${out?.path}/disk.iso`, "file-size": 6 },
      { id: expect.any(Number), type: "doc", path: `${doc?.path}/index.txt`, "file-size": 0 },
    ]);
    for (const type of ["file", "iso"]) {
      const path = `/search/latest/${type}?query=image+spec:acme.widgets+status:success`;
      const link = await get(path);
      expect([link.status, link.headers["location"]]).toEqual([302, `/download/${product?.id}`]);
    }
    const file = await get(`/download/${product?.id}`);
    expect([file.status, file.text]).toEqual([200, "image\n"]);
    expect(file.headers).toMatchObject({
      "content-disposition": 'attachment; filename="disk.iso"',
      "x-content-type-options": "nosniff",
      "cache-control": "public, max-age=43200",
    });
    expect(file.headers["content-security-policy"]).toContain("default-src 'none'");
  });

  test("a hook brings the commit that was pushed, and no other evaluation of it", async () => {
    const commit = await push(SECOND);
    expect((await callHook("/jobset/acme.widgets/hook/evaluate")).statusCode).toBe(404);
    for (let time = 0; time < 3; time += 1) {
      const answer = await callHook(`/jobset/acme.widgets/hook/evaluate?token=${key}`);
      expect(await answer.body.json()).toEqual({ jobset: "acme.widgets" });
    }
    second = await eventually("the hook's evaluation", 60_000, async () => {
      const [found] = await newest();
      return found !== undefined && found.id > first.id && found.status === 0 ? found : null;
    });
    expect(second.checkouts[0]?.commit).toBe(commit);
    expect(second.id).toBe(first.id + 1);
    expect(await newest(9)).toHaveLength(2);
  });

  test("what runs and what waits is in the queue, in the order in which it begins", async () => {
    const queue = await eventually("some to run and one to wait", 60_000, async () => {
      const builds = await read<CuirassBuild[]>("/api/queue?nr=1000");
      const states = builds.map(({ buildstatus }) => buildstatus).join();
      return states === "-1,-1,-1,-2" ? builds : null;
    });
    for (const build of queue) {
      const isRunning = build.buildstatus === -1;
      expect(build).toMatchObject({
        busy: isRunning ? 1 : 0,
        finished: 0,
        stoptime: 0,
        weather: -1,
      });
      expect(build.starttime > 0).toBe(isRunning);
      expect(build.timestamp).toBeLessThanOrEqual(Date.now() / 1000);
    }
    expect(await read("/api/queue?nr=1")).toEqual(queue.slice(0, 1));
    expect(await read(`/api/queue?nr=9&job=slow-d.${SYSTEM}`)).toHaveLength(1);
  });

  test("a later evaluation shares what did not change, and tells what broke and what was mended", async () => {
    await eventually("what does not wait to have ended", 60_000, async () => {
      const jobs = await jobsOf(second);
      return [jobs["good"]?.status, jobs["fails"]?.status].join() === "1,0" ? true : null;
    });
    const [before, now] = [await jobsOf(first), await jobsOf(second)];
    expect(now["same"]).toEqual(before["same"]);
    expect((await buildOf(second, "same")).evaluation).toBe(first.id);
    expect(await buildOf(second, "good")).toMatchObject({ weather: 1, evaluation: second.id });
    expect(await buildOf(second, "fails")).toMatchObject({ weather: 0 });
    const feed = await get("/events/rss?specification=acme.widgets");
    expect(feed.text).toContain(`good.${SYSTEM} is broken`);
    expect(feed.text).toContain(`fails.${SYSTEM} is fixed`);
    const names = [`good.${SYSTEM}`, `fails.${SYSTEM}`];
    const history = await read<{ evaluation: number; checkouts: object[]; jobs: CuirassJob[] }[]>(
      `/api/jobs/history?spec=acme.widgets&names=${names.join()}&nr=20`,
    );
    expect(
      history.map(({ evaluation, jobs }) => [evaluation, jobs.map(({ status }) => status)]),
    ).toEqual([
      [second.id, [0, 1]],
      [first.id, [1, 0]],
    ]);
    expect(history.every(({ checkouts }) => checkouts.length === 1)).toBe(true);
  });

  test("what is given up was cancelled", async () => {
    const evaluations = await farm.api.call<{ id: string; status: string }[]>(
      "GET",
      "/projects/acme/widgets/evaluations?limit=10",
    );
    const active = evaluations.find(
      ({ status }) => !["Failed", "Completed", "Aborted"].includes(status),
    );
    await farm.api.call("POST", `/evals/${active?.id}`, { method: "abort" });
    await eventually("all to be cancelled", 60_000, async () => {
      const jobs = Object.entries(await jobsOf(second)).filter(([name]) => name.startsWith("slow"));
      return jobs.every(([, { status }]) => status === 4) ? true : null;
    });
    expect(await read("/api/queue?nr=9")).toEqual([]);
    // Its jobs are known: it counts as one that succeeded.
    expect((await newest())[0]?.status).toBe(0);
  });

  test("finished builds have the newest evaluation first, and are narrowed down as clients ask", async () => {
    const names = async (query: string) =>
      (await read<CuirassBuild[]>(`/api/latestbuilds?${query}`)).map(({ nixname }) => nixname);
    const all = await read<CuirassBuild[]>("/api/latestbuilds?nr=1000");
    const evaluations = all.map(({ evaluation }) => evaluation);
    expect(evaluations).toEqual(evaluations.toSorted((a, b) => b - a));
    expect(await names(`nr=9&job=good.${SYSTEM}`)).toEqual(["good-2", "good-1"]);
    // As Guix asks for the last one that it can have as a substitute.
    expect(await names(`nr=1&job=good.${SYSTEM}&jobset=acme.widgets&status=0`)).toEqual(["good-1"]);
    expect(await names("nr=9&system=aarch64-linux")).toEqual([]);
    expect((await names("nr=64&jobset=acme.widgets")).length).toBe(all.length);
    expect(await names(`nr=99&evaluation=${second.id}`)).not.toContain("same-1");
  });

  test("a dashboard, a badge and the latest evaluation are where links look for them", async () => {
    const { id } = await read<{ id: string }>(
      `/api/dashboard/register?spec=acme.widgets&names=good.${SYSTEM},same.${SYSTEM}`,
    );
    expect((await get(`/dashboard/${id}`)).headers["location"]).toBe(
      `/eval/${second.id}/dashboard/${id}`,
    );
    expect((await get("/eval/latest?spec=acme.widgets")).headers["location"]).toBe(
      `/eval/${second.id}`,
    );
    expect((await get("/jobset/acme.widgets/badge.svg?type=0")).text).toContain("28%");
  });

  test("jobsets are projects, called as they want to be", async () => {
    await farm.api.call("PATCH", "/projects/acme/widgets/cuirass", { alias: "guix", priority: 3 });
    expect(await read("/jobsets")).toMatchObject([
      {
        name: "guix",
        channels: [{ name: "guix", commit: false }],
        period: 300,
        priority: 3,
        systems: [SYSTEM],
      },
    ]);
    expect(await read<CuirassBuild[]>("/api/latestbuilds?nr=1&jobset=guix")).toHaveLength(1);
    expect((await buildOf(first, "good")).jobset).toBe("guix");
  });

  test("Guix finds the commit that it can have substitutes for", async () => {
    // (guix ci), channel-with-substitutes-available: any other shape is a warning and no commit.
    const [build] = await read<CuirassBuild[]>(
      `/api/latestbuilds?nr=1&job=good.${SYSTEM}&jobset=guix&status=0`,
    );
    const { checkouts } = await read<CuirassEvaluation>(`/api/evaluation?id=${build?.evaluation}`);
    expect(checkouts.map(({ channel, commit }) => [channel, commit])).toEqual([
      ["guix", first.checkouts[0]?.commit],
    ]);
    // guix weather: the queue and the last builds by system, and their rate by their times.
    for (const list of ["queue", "latestbuilds"]) {
      for (const { system, timestamp, derivation } of await read<CuirassBuild[]>(
        `/api/${list}?nr=1000`,
      )) {
        expect([system, Number.isInteger(timestamp)]).toEqual([SYSTEM, true]);
        expect(derivation).toMatch(/^\/nix\/store\/.*\.drv$/);
      }
    }
  });

  test("build-farm reads every page that it opens", async () => {
    const pages = [
      "/api/latestbuilds?nr=64",
      "/api/queue?nr=64",
      "/api/evaluations?nr=32",
      "/jobsets",
      `/build/${(await buildOf(first, "good")).id}`,
    ];
    for (const path of pages) {
      const { status, headers, text } = await get(path);
      expect([status, headers["content-type"]]).toEqual([200, "application/json;charset=utf-8"]);
      // What it breaks on: truths and nothings in the place of numbers.
      expect(text, path).not.toMatch(
        /"(?:busy|finished|id|jobset|job|system)":(?:true|false|null)/,
      );
    }
  });

  test("what becomes private is not there any more, but for a token", async () => {
    const good = await buildOf(first, "good");
    await farm.api.call("DELETE", "/orgs/acme/public");
    expect((await get(`/build/${good.id}`)).status).toBe(404);
    expect(await read("/api/latestbuilds?nr=9")).toEqual([]);
    expect((await get(`/build/${good.id}?token=${key}`)).status).toBe(200);
  });
});

/** Lets each first attempt begin with so much, as one does that follows another: it has no limit where the derivation has none. */
function startWith({ dataDir }: TestFarm, memoryBytes: number): void {
  const database = new Sqlite(join(dataDir, "farm.sqlite"));
  try {
    database.exec(`create trigger first_memory after insert on attempts when new.memory_bytes is null
      begin update attempts set memory_bytes = ${memoryBytes} where number = new.number; end`);
  } finally {
    database.close();
  }
}
