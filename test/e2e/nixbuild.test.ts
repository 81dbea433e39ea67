import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/api-client.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm } from "../support/farm.ts";

interface NixbuildBuild {
  build_id: number;
  create_time: string;
  start_time: string;
  status: string;
  status_message: string | null;
  duration_seconds: number | null;
  cpu_seconds: number;
  cpu_count: number;
  derivation_path: string;
  outputs: { name: string; path: string; nar_hash: string; nar_size_bytes: number }[];
  tags: Record<string, string>;
  peak_memory_use_kilobytes: number | null;
  restart_of_build_id: number | null;
  restarted_as_build_id: number | null;
}

const MEBIBYTE = 1024 * 1024;
const RUN = "tags=GITHUB_REPOSITORY:acme/widgets,GITHUB_RUN_ID:77,GITHUB_RUN_ATTEMPT:1";

/** The clients of nixbuild.net's API against builds that really happened. Limits are held where the test may make control groups. */
describe.runIf(process.getuid?.() === 0)("nixbuild.net's API", () => {
  let farm: TestFarm;
  let key: string;
  /** May start evaluations, too. */
  let starter: string;
  let lastEvaluation = "";

  /** As its clients ask: what they write is not escaped. */
  async function get(path: string, token: string | null = key) {
    const response = await request(`${farm.api.url}${path}`, {
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
    });
    return { status: response.statusCode, text: await response.body.text() };
  }

  async function read<T>(path: string): Promise<T> {
    const { status, text } = await get(path);
    expect(status, `${path}: ${text}`).toBe(200);
    return JSON.parse(text) as T;
  }

  /** Of one derivation, the oldest first. */
  const buildsOf = async (name: string): Promise<NixbuildBuild[]> => {
    const builds = await read<NixbuildBuild[]>(`/builds?${RUN}`);
    return builds.filter((build) => build.derivation_path.endsWith(`-${name}.drv`)).toReversed();
  };

  beforeAll(async () => {
    farm = await TestFarm.start();
    startWith(farm, 64 * MEBIBYTE);
    // It says that it has a feature that its Nix knows nothing of.
    const flags = ["--max-concurrent-builds", "2", "--system-features", "quantum"];
    await farm.addWorker("alpha", { flags });
    key = await farm.api.call<string>("POST", "/user/keys", {
      name: "reader",
      permissions: ["viewOrg"],
    });
    starter = await farm.api.call<string>("POST", "/user/keys", {
      name: "starter",
      permissions: ["viewOrg", "triggerEvaluation"],
    });
    const fill = "dd if=/dev/zero of=/dev/null count=1";
    const files = {
      "default.nix": expression(`rec {
        good = mk "good" "echo built well; echo > $out" { NIXBUILDNET_TAG_ID = "BENCH_A"; };
        fails = mk "fails" "echo this goes wrong; exit 3" { };
        dependent = mk "dependent" "echo > $out" { inherit fails; };
        times = mk "times" "sleep 60; echo > $out" { NIXBUILDNET_TIMEOUT = 1; };
        grows = mk "grows" "${fill} bs=90M; echo > $out" { };
        bounded = mk "bounded" "${fill} bs=400M; echo > $out" { NIXBUILDNET_MAX_MEM = 100; };
      }`),
    };
    await farm.addFilesProject("widgets", "*", files);
    const evaluation = await farm.api.call<string>("POST", "/projects/acme/widgets/evaluate", {
      tags: {
        GITHUB_REPOSITORY: "acme/widgets",
        GITHUB_RUN_ID: "77",
        GITHUB_RUN_ATTEMPT: "1",
      },
    });
    await farm.ended(evaluation, 100_000);
  }, 150_000);

  afterAll(async () => {
    await farm[Symbol.asyncDispose]();
  });

  test("what the post step of a workflow asks for is there: the summary, then its builds", async () => {
    const summary = await read<Record<string, number>>(`/builds/summary?${RUN}`);
    expect(summary).toMatchObject({
      build_count: 7,
      running_build_count: 0,
      successful_build_count: 2,
      discarded_build_count: 2,
      failed_build_count: 3,
    });
    expect(summary["billable_cpu_seconds"]).toBeGreaterThanOrEqual(5);
    expect(summary["total_cpu_seconds"]).toBeGreaterThan(summary["billable_cpu_seconds"] ?? 0);
    const builds = await read<NixbuildBuild[]>(`/builds?${RUN}`);
    expect(builds).toHaveLength(7);
    for (const build of builds) {
      // It calls `toString` of these, cuts the hash off the name, and iterates over the outputs.
      expect([typeof build.build_id, typeof build.cpu_count]).toEqual(["number", "number"]);
      expect(build.derivation_path).toMatch(/^\/nix\/store\/[0-9a-z]{32}-.*\.drv$/);
      expect(Array.isArray(build.outputs)).toBe(true);
      expect(build.cpu_seconds).toBeGreaterThanOrEqual(1);
      expect(build.tags).toMatchObject({ GITHUB_RUN_ID: "77" });
    }
  });

  test("a build that succeeded is measured, and its output is what the cache has", async () => {
    const [good] = await read<NixbuildBuild[]>("/builds?tags=ID:BENCH_A");
    expect(good).toMatchObject({ status: "built", status_message: "" });
    expect(good?.duration_seconds).toBeGreaterThan(0);
    expect(good?.peak_memory_use_kilobytes).toBeGreaterThan(0);
    const builds = await read<NixbuildBuild[]>(`/builds?${RUN}`);
    // Not one of them began and ended with a millisecond.
    expect(builds.some(({ start_time: time }) => /\.\d{4,6}Z$/.test(time))).toBe(true);
    expect(
      builds.some(({ duration_seconds: seconds }) => ((seconds ?? 0) * 1e6) % 1000 > 0.5),
    ).toBe(true);
    const [output] = good?.outputs ?? [];
    const hash = output?.path.slice("/nix/store/".length).slice(0, 32);
    const narinfo = await get(`/cache/main/${hash}.narinfo`);
    expect(narinfo.text).toContain(`NarSize: ${output?.nar_size_bytes}`);
    const byPath = await read<NixbuildBuild[]>(`/builds?derivation_path=${good?.derivation_path}`);
    expect(byPath.map(({ build_id }) => build_id)).toEqual([good?.build_id]);
    expect(await read(`/builds/${good?.build_id}`)).toEqual(good);
  });

  test("one that failed or took too long says why, and what waited for it is no build", async () => {
    expect(await buildsOf("fails")).toMatchObject([{ status: "build_failed", outputs: [] }]);
    expect(await buildsOf("times")).toMatchObject([{ status: "timeout", outputs: [] }]);
    expect(await buildsOf("dependent")).toEqual([]);
  });

  test("one that ran out of memory was restarted with more, until there is no more", async () => {
    const [first, second] = await buildsOf("grows");
    expect(first).toMatchObject({
      status: "out_of_memory",
      allocated_megabytes: 64,
      restart_of_build_id: null,
      restarted_as_build_id: second?.build_id,
    });
    expect(second).toMatchObject({
      status: "built",
      allocated_megabytes: 128,
      restart_of_build_id: first?.build_id,
      restarted_as_build_id: null,
    });
    expect(await buildsOf("bounded")).toMatchObject([
      { status: "out_of_memory", allocated_megabytes: 64 },
      { status: "max_memory_exceeded", allocated_megabytes: 100 },
    ]);
  });

  test("a signed link shows the log to who has it, and nothing else", async () => {
    const [failed] = await buildsOf("fails");
    const link = await read<{ url: string }>(`/builds/${failed?.build_id}/url?ttl_seconds=60`);
    const { pathname, search } = new URL(link.url);
    const page = await get(pathname + search, null);
    expect([page.status, page.text.includes("this goes wrong")]).toEqual([200, true]);
    expect((await get(pathname.replace("details", "log") + search, null)).text).toContain(
      "this goes wrong",
    );
    expect((await get(`/builds/${failed?.build_id}${search}`, null)).status).toBe(401);
  });

  test("usage is that of the builds that stopped today", async () => {
    const usage = await read<Record<string, number>>("/usage");
    expect(usage).toEqual({
      billable_cpu_seconds: (await read<Record<string, number>>("/builds/summary"))[
        "billable_cpu_seconds"
      ],
      billable_build_count: 5,
    });
    expect(await read("/usage?from=2020-01-01&to=2020-02-01")).toEqual({
      billable_cpu_seconds: 0,
      billable_build_count: 0,
    });
  });

  test("usage as a table and for Prometheus is that of the same builds", async () => {
    const summary = await read<Record<string, number>>("/builds/summary");
    const expected = {
      builds: summary["build_count"],
      billable_builds: 5,
      measured_cpu_seconds: summary["total_cpu_seconds"],
      billable_measured_cpu_seconds: summary["billable_cpu_seconds"],
    };
    const table = await get("/api/v1/orgs/acme/usage.csv?by=project");
    const [header = [], ...lines] = table.text
      .trimEnd()
      .split("\r\n")
      .map((line) => line.split(","));
    expect(lines.map((line) => line[header.indexOf("group")])).toContain("widgets");
    const metrics = await get("/api/v1/orgs/acme/usage/metrics");
    for (const [name, value] of Object.entries(expected)) {
      const column = header.indexOf(name);
      const sum = lines.reduce((total, line) => total + Number(line[column]), 0);
      expect([name, sum]).toEqual([name, value]);
      const labels = `{organization="acme",project="widgets"}`;
      expect(metrics.text).toContain(`gradient_usage_${name}_total${labels} ${value}\n`);
    }
  });

  test("what a build has used is told while it runs, and rises", async () => {
    const files = {
      "default.nix": expression(`{ busy = mk "busy" "while :; do :; done" { }; }`),
    };
    await farm.addFilesProject("busy", "*", files);
    const evaluation = await farm.evaluate("busy");
    const running = async (): Promise<NixbuildBuild | undefined> =>
      (await read<NixbuildBuild[]>("/builds?status=running"))[0];
    const first = await eventually("figures of a running build", 60_000, async () => {
      const build = await running();
      return (build?.cpu_seconds ?? 0) > 0 ? build : null;
    });
    expect(first?.peak_memory_use_kilobytes).toBeGreaterThan(0);
    await eventually("them to rise", 60_000, async () => {
      const build = await running();
      return (build?.cpu_seconds ?? 0) > (first?.cpu_seconds ?? 0) ? true : null;
    });
    await farm.api.call("POST", `/evals/${evaluation}`, { method: "abort" });
    const ended = await eventually("it to be cancelled", 60_000, async () => {
      const build = await read<NixbuildBuild>(`/builds/${first?.build_id}`);
      return build.status === "cancelled" ? build : null;
    });
    expect(ended.cpu_seconds).toBeGreaterThan(first?.cpu_seconds ?? 0);
  }, 150_000);

  test("what runs and what waits is told, and what is given up was cancelled", async () => {
    const slow = (name: string) => `${name} = mk "${name}" "echo begun; sleep 60" { };`;
    const files = { "default.nix": expression(`{ ${["a", "b", "c", "d"].map(slow).join(" ")} }`) };
    await farm.addFilesProject("slow", "*", files);
    const evaluation = await farm.evaluate("slow");
    const unfinished = await eventually("some to run and one to wait", 60_000, async () => {
      const builds = await read<NixbuildBuild[]>("/builds?status=running,pending");
      const words = builds.map(({ status }) => status).toSorted();
      const isBegun = builds.every((build) => build.status === "pending" || build.cpu_count > 0);
      // A worker holds one more than it builds at once, so that it need not wait for the next.
      return words.join() === "pending,running,running,running" && isBegun ? builds : null;
    });
    for (const build of unfinished) {
      expect(build).toMatchObject({ duration_seconds: null, outputs: [] });
    }
    const before = await read<Record<string, number>>("/builds/summary");
    expect(before["running_build_count"]).toBe(4);
    await farm.api.call("POST", `/evals/${evaluation}`, { method: "abort" });
    await eventually("all to be cancelled", 60_000, async () => {
      const builds = unfinished.map(({ build_id }) => read<NixbuildBuild>(`/builds/${build_id}`));
      const words = (await Promise.all(builds)).map(({ status }) => status);
      return words.every((word) => word === "cancelled") ? true : null;
    });
  }, 150_000);

  test("the next build of a package begins with the memory that was enough for the last", async () => {
    startWithoutMemory(farm);
    const fill = "dd if=/dev/zero of=/dev/null count=1 bs=90M; echo > $out";
    const files = {
      "default.nix": expression(`{ grows = mk "grows" "${fill}" { version = "2"; }; }`),
    };
    await farm.addFilesProject("grown", "*", files);
    const [build] = await buildsBy("grown");
    expect(build).toMatchObject({
      status: "built",
      allocated_megabytes: 256,
      restart_of_build_id: null,
    });
    expect(build?.cpu_count).toBeGreaterThan(0);
  }, 150_000);

  test("a build that asks for more memory than there is, or for a feature that Nix has not, fails and says so", async () => {
    const files = {
      "default.nix": expression(`{
        greedy = mk "greedy" "echo > $out" { NIXBUILDNET_MIN_MEM = 1000000000; };
        featured = mk "featured" "echo > $out" { requiredSystemFeatures = [ "quantum" ]; };
      }`),
    };
    await farm.addFilesProject("greedy", "*", files);
    const builds = await buildsBy("greedy");
    expect(builds).toHaveLength(2);
    expect(builds).toContainEqual(
      expect.objectContaining({
        status: "client_error",
        status_message: expect.stringContaining("1000000000 MB of memory"),
        cpu_seconds: 0,
        duration_seconds: null,
      }),
    );
    expect(builds).toContainEqual(
      expect.objectContaining({
        status: "client_error",
        status_message: expect.stringContaining("quantum"),
        outputs: [],
      }),
    );
  }, 150_000);

  test("what failed before is not built again for who wants that, and the answer says so", async () => {
    const files = {
      "default.nix": expression(`{ fails = mk "fails" "echo this goes wrong; exit 3" { }; }`),
    };
    await farm.addFilesProject("failing", "*", files);
    expect(await buildsBy("failing", { "nixbuildnet-reuse-build-failures": "true" })).toEqual([]);
    const builds = await read<NixbuildBuild[]>("/builds?status=build_failed");
    const of = builds.filter(({ derivation_path: path }) => path.endsWith("-fails.drv"));
    expect(of).toHaveLength(1);
    const messages = await farm.api.call<{ message: string }[]>(
      "GET",
      `/evals/${lastEvaluation}/messages`,
    );
    expect(JSON.stringify(messages)).toContain(`it failed as build ${of[0]?.build_id}`);
  }, 150_000);

  test("a worker that is lost costs an attempt, and the build is restarted; a client that goes away ends its builds", async () => {
    const files = {
      "default.nix": expression(`{ lost = mk "lost" "echo begun; sleep 5; echo > $out" { }; }`),
    };
    await farm.addFilesProject("lost", "*", files);
    await farm.evaluate("lost");
    const running = await eventually("the build to run", 60_000, async () => {
      const [build] = await read<NixbuildBuild[]>("/builds?status=running");
      return (await farm.workers[0]?.runners())?.length === 1 && build?.cpu_count ? build : null;
    });
    for (const pid of (await farm.workers[0]?.runners()) ?? []) process.kill(pid, "SIGKILL");
    await eventually("the loss to be noticed", 60_000, async () => {
      const build = await read<NixbuildBuild>(`/builds/${running.build_id}`);
      return build.status === "internal_error" ? true : null;
    });

    const deserted = await leaveABuild();
    expect(deserted).toMatchObject({ status: "client_disconnect", outputs: [] });
    expect(deserted.status_message).toBe("session closed");

    const again = await eventually("the lost build to be built after all", 90_000, async () => {
      const lost = await read<NixbuildBuild>(`/builds/${running.build_id}`);
      if (lost.restarted_as_build_id === null) return null;
      const build = await read<NixbuildBuild>(`/builds/${lost.restarted_as_build_id}`);
      return build.status === "built" ? build : null;
    });
    expect(again.restart_of_build_id).toBe(running.build_id);
  }, 250_000);

  test("so every status that there is has come about", async () => {
    const builds = await read<NixbuildBuild[]>("/builds?limit=1000");
    expect([...new Set(builds.map(({ status }) => status))].toSorted()).toEqual([
      "build_failed",
      "built",
      "cancelled",
      "client_disconnect",
      "client_error",
      "internal_error",
      "max_memory_exceeded",
      "out_of_memory",
      "timeout",
    ]);
    const summary = await read<Record<string, number>>("/builds/summary");
    expect(summary["build_count"]).toBe(builds.length);
    expect(summary["discarded_build_count"]).toBe(
      builds.filter(({ status }) => ["out_of_memory", "internal_error"].includes(status)).length,
    );
  });

  /** Evaluates a project to its end and resolves to the builds that this brought about. */
  async function buildsBy(
    project: string,
    headers: Record<string, string> = {},
  ): Promise<NixbuildBuild[]> {
    lastEvaluation = await start(project, { ...headers, "nixbuildnet-tags": `PROJECT:${project}` });
    await farm.ended(lastEvaluation, 100_000);
    return read<NixbuildBuild[]>(`/builds?tags=PROJECT:${project}`);
  }

  async function start(project: string, headers: Record<string, string>): Promise<string> {
    const path = `/projects/acme/${project}/evaluate`;
    const response = await request(`${farm.api.url}/api/v1${path}`, {
      method: "POST",
      headers: { ...headers, authorization: `Bearer ${starter}` },
    });
    const text = await response.body.text();
    expect(response.statusCode, text).toBe(200);
    await farm.api.answers.check("POST", path, response, text);
    return (JSON.parse(text) as { message: string }).message;
  }

  /** Follows the logs of an evaluation for a while, as the client that its builds end with. Resolves to what became of its build. */
  async function leaveABuild(): Promise<NixbuildBuild> {
    const files = { "default.nix": expression(`{ left = mk "left" "echo begun; sleep 60" { }; }`) };
    await farm.addFilesProject("left", "*", files);
    const evaluation = await start("left", {
      "nixbuildnet-keep-builds-running": "false",
      "nixbuildnet-tags": "PROJECT:left",
    });
    const leaving = new AbortController();
    const following = request(`${farm.api.url}/api/v1/evals/${evaluation}/builds`, {
      method: "POST",
      headers: { authorization: `Bearer ${starter}` },
      signal: leaving.signal,
    });
    const { body } = await following;
    const build = await eventually("it to run", 60_000, async () => {
      const [found] = await read<NixbuildBuild[]>("/builds?tags=PROJECT:left&status=running");
      return found ?? null;
    });
    body.on("error", () => undefined);
    leaving.abort();
    return eventually("its builds to end with it", 60_000, async () => {
      const found = await read<NixbuildBuild>(`/builds/${build.build_id}`);
      return found.status === "running" ? null : found;
    });
  }

  test("without a token every question is refused", async () => {
    for (const path of ["/builds", "/builds/summary", "/builds/1", "/usage"]) {
      const { status, text } = await get(path, null);
      expect([status, JSON.parse(text)]).toEqual([401, { error: expect.any(String) }]);
    }
  });
});

/** From now on first attempts have what the coordinator gives them. */
function startWithoutMemory({ dataDir }: TestFarm): void {
  const database = new Sqlite(join(dataDir, "farm.sqlite"));
  try {
    database.exec("drop trigger first_memory");
  } finally {
    database.close();
  }
}

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
