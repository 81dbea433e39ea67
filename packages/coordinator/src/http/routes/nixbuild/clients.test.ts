import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ManualClock } from "../../../manual-clock.test-support.ts";
import { ATTEMPT_STATES } from "../../../scheduler/attempt-state.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";
import { drvOf, makeOrganization, seedAttempt } from "./attempts.test-support.ts";

/*
 * What known clients of nixbuild.net's API send, byte by byte, and what they do with the answers (contract: real clients). They write queries
 * without escaping anything, and take nothing but 200 for success.
 */

const DAY = Date.UTC(2027, 0, 10);
const HOUR = 3_600_000;
const SHARED = { GITHUB_REPOSITORY: "acme/widgets", GITHUB_JOB: "test (ubuntu, 1.0)" };
const RUN = { ...SHARED, GITHUB_RUN_ID: "77", GITHUB_RUN_ATTEMPT: "1" };
const WORKFLOW = "GITHUB_REPOSITORY:acme/widgets,GITHUB_RUN_ID:77,GITHUB_RUN_ATTEMPT:1";
const INVOCATION = "0c4f2b4e-93c5-4a57-8a3c-0a8d3f0b6a11";

const clock = new ManualClock();
let server: TestServer;
let token: string;

beforeAll(async () => {
  server = await openTestServer({ clock, env: { GRADIENT_NIXBUILD_PREFIX: "/nixbuild" } });
  const alice = await server.user("alice");
  token = await server.key(alice, { permissions: ["viewOrg"] });
  const organizationId = await makeOrganization(server, alice, "acme");
  for (const [at, status] of ATTEMPT_STATES.entries()) {
    await seedAttempt(server.services.database.kysely, {
      organizationId,
      name: `pkg-${status.replaceAll("_", "-")}`,
      status,
      createdAt: DAY + at * HOUR + 69,
      startedAfterMs: status === "client_error" ? null : 1469,
      tags: {
        ...RUN,
        ...(at % 2 === 0 ? { GITHUB_INVOCATION_ID: INVOCATION } : {}),
        ID: "BENCH_A",
      },
    });
  }
});
afterAll(() => server[Symbol.asyncDispose]());

interface RawAnswer {
  status: number;
  headers: Map<string, string>;
  body: string;
}

/** Writes requests one behind the other into one connection, and reads as many answers. */
async function pipeline(targets: readonly string[]): Promise<RawAnswer[]> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  const pieces: Buffer[] = [];
  socket.on("data", (piece: Buffer) => pieces.push(piece));
  await once(socket, "connect");
  const frames = targets.map((target, at) => {
    const connection = at === targets.length - 1 ? "close" : "keep-alive";
    return `GET ${target} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${token}\r\nConnection: ${connection}\r\n\r\n`;
  });
  socket.write(frames.join(""));
  await once(socket, "close");
  return readAnswers(Buffer.concat(pieces));
}

function readAnswers(bytes: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf("\r\n\r\n", at);
    const [first = "", ...lines] = bytes.subarray(at, end).toString().split("\r\n");
    const headers = new Map(
      lines.map((line): [string, string] => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const length = Number(headers.get("content-length"));
    const body = bytes.subarray(end + 4, end + 4 + length).toString();
    answers.push({ status: Number(first.split(" ")[1]), headers, body });
    at = end + 4 + length;
  }
  return answers;
}

async function ask(target: string): Promise<RawAnswer> {
  const [answer] = await pipeline([target]);
  if (answer === undefined) throw new Error(`no answer to ${target}`);
  return answer;
}

async function read<T>(target: string): Promise<T> {
  const { status, body } = await ask(target);
  expect([status, body], target).toEqual([200, expect.any(String)]);
  return JSON.parse(body) as T;
}

interface Summary {
  [count: string]: number;
}

interface Build {
  build_id: number;
  status: string;
  status_message: string | null;
  start_time: string;
  derivation_path: string;
  outputs: { name: string; path: string; nar_size_bytes: number }[];
  duration_seconds: number | null;
  cpu_count: number;
  peak_memory_use_kilobytes: number | null;
  peak_storage_use_kilobytes: number | null;
  system: string;
  tags: Record<string, string>;
}

/** Does with the answers what the post step of the GitHub action does: everything that would make it fail, fails here. */
function render(summary: Summary, builds: readonly Build[]): string[] {
  const counts = ["build", "successful_build", "failed_build", "discarded_build"];
  const head = counts.map((name) => (summary[`${name}_count`] as number).toString());
  const seconds = (summary["billable_cpu_seconds"] as number).toFixed(2);
  const bytes = ((summary["total_output_nar_size_kilobytes"] as number) * 1024).toString();
  const rows = builds
    .toSorted((a, b) => Number(b.duration_seconds) - Number(a.duration_seconds))
    .map((build) => {
      const name = build.derivation_path.slice("/nix/store/".length).slice(33);
      const outputs = [];
      for (const { path, nar_size_bytes: size } of build.outputs) {
        outputs.push(`${path} ${size.toString()}`);
      }
      const memory = (Number(build.peak_memory_use_kilobytes) * 1024).toString();
      const numbers = [build.build_id.toString(), build.cpu_count.toString(), memory];
      const start = new Date(build.start_time).toISOString();
      return [build.status, build.system, name, start, ...numbers, ...outputs].join(" ");
    });
  return [...head, seconds, bytes, ...rows];
}

describe("the GitHub action", () => {
  test.each([
    ["of a workflow", WORKFLOW, 11],
    ["of a job", `GITHUB_REPOSITORY:acme/widgets,GITHUB_INVOCATION_ID:${INVOCATION}`, 6],
  ])("asks for the summary %s, and then for its builds", async (_of, tags, count) => {
    const summary = await read<Summary>(`/builds/summary?tags=${tags}`);
    expect(summary["build_count"]).toBe(count);
    const builds = await read<Build[]>(`/builds?tags=${tags}`);
    const rows = render(summary, builds);
    expect(rows).toHaveLength(6 + count);
    expect(rows.join("\n")).not.toMatch(/undefined|null|NaN|Invalid/);
  });

  test("in its early releases names the job as well, whatever is in the name", async () => {
    const { status, body } = await ask(
      `/builds/summary?tags=${WORKFLOW},GITHUB_JOB:test%20(ubuntu,%201.0)`,
    );
    expect([status, JSON.parse(body)]).toMatchObject([200, { build_count: 11 }]);
  });

  test("is told zeros of a run that built nothing, and asks no further", async () => {
    const summary = await read<Summary>(`/builds/summary?tags=GITHUB_RUN_ID:78`);
    expect(render(summary, [])).toEqual(["0", "0", "0", "0", "0.00", "0"]);
  });

  test("may be told another place to ask, and follows no redirect", async () => {
    for (const prefix of ["", "/nixbuild"]) {
      const { status, headers } = await ask(`${prefix}/builds/summary?tags=${WORKFLOW}`);
      expect([status, headers.get("location")]).toEqual([200, undefined]);
      expect(headers.get("content-type")).toMatch(/^application\/json/);
    }
  });

  test("prints what it gets for an experiment that is not served, which says so", async () => {
    for (const target of ["/auth/oidc-token-exchange", "/nixbuild/processes"]) {
      const { status, body } = await ask(target);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(JSON.parse(body)).toHaveProperty("error");
    }
  });
});

describe("scripts", () => {
  test("of nixbench read durations of a tag out of an array", async () => {
    const builds = await read<Build[]>("/builds?tags=ID:BENCH_A");
    const durations = builds.map(({ duration_seconds: seconds }) => seconds);
    expect(durations.filter((seconds) => seconds !== null)).toEqual(Array(8).fill(2));
  });

  test("ask for what was used this month, and in one that is over", async () => {
    for (const target of [
      "/usage",
      "/usage?from=2027-01-01&to=2027-02-01",
      "/usage?from=2027-01-10",
    ]) {
      expect(await read(target), target).toEqual({
        billable_cpu_seconds: 18,
        billable_build_count: 6,
      });
    }
    const earlier = await read<Summary>("/usage?from=2026-12-01&to=2026-12-31");
    expect(Object.values(earlier)).toEqual([0, 0]);
  });

  test("ask for all of it, and for the newest", async () => {
    expect(await read<Summary>("/builds/summary")).toHaveProperty("build_count", 11);
    expect(await read<Build[]>("/builds")).toHaveLength(11);
    expect(await read<Build[]>("/builds?limit=5")).toHaveLength(5);
  });

  test("find the builds of a run, with tags and derivation", async () => {
    const [build] = await read<Build[]>("/builds?tags=GITHUB_RUN_ID:77&limit=1");
    expect(build?.tags).toMatchObject(RUN);
    expect(build?.derivation_path).toMatch(/^\/nix\/store\/[0-9a-z]{32}-pkg-.*\.drv$/);
  });

  test("name a derivation by its path, with the slashes as they are", async () => {
    const path = `/nix/store/${drvOf("pkg-built")}`;
    const builds = await read<Build[]>(`/builds?derivation_path=${path}`);
    expect(builds.map(({ derivation_path }) => derivation_path)).toEqual([path]);
    const { build_id: id } = builds[0] ?? {};
    expect(await read(`/builds/${id}`)).toEqual(builds[0]);
    const link = await read<{ build_id: number; url: string }>(`/builds/${id}/url`);
    expect([link.build_id, new URL(link.url).pathname]).toEqual([id, `/builds/${id}/details`]);
  });

  test("write several requests into a connection before they read an answer", async () => {
    const targets = [
      `/builds/summary?tags=${WORKFLOW}`,
      `/builds?tags=${WORKFLOW}&limit=2`,
      "/builds?status=nonsense",
      "/usage",
      "/builds/999999",
      "/builds?limit=1",
    ];
    const answers = await pipeline(targets);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 400, 200, 404, 200]);
    const [summary, two, , usage, , one] = answers.map(({ body }): unknown => JSON.parse(body));
    expect([summary, two, usage, one]).toEqual([
      expect.objectContaining({ build_count: 11 }),
      expect.objectContaining({ length: 2 }),
      expect.objectContaining({ billable_build_count: 6 }),
      expect.objectContaining({ length: 1 }),
    ]);
  });
});

describe("numbers", () => {
  const integers = ["build_id", "cpu_count", "allocated_megabytes", "cpu_seconds"];
  const integersOrNull = [
    "peak_memory_use_kilobytes",
    "peak_storage_use_kilobytes",
    "restart_of_build_id",
    "restarted_as_build_id",
  ];
  const texts = [
    "create_time",
    "start_time",
    "build_status",
    "status",
    "derivation_path",
    "system",
  ];

  test("of every build are integers, decimals, or null where they may be", async () => {
    const builds = await read<Record<string, unknown>[]>("/builds");
    expect(new Set(builds.map((build) => build["status"]))).toEqual(new Set(ATTEMPT_STATES));
    for (const build of builds) {
      for (const name of integers) expect(Number.isInteger(build[name]), name).toBe(true);
      for (const name of integersOrNull) {
        expect(build[name] === null || Number.isInteger(build[name]), name).toBe(true);
      }
      for (const name of texts) expect(typeof build[name], name).toBe("string");
      expect(typeof build["queue_time_seconds"]).toBe("number");
      expect(
        build["duration_seconds"] === null || typeof build["duration_seconds"] === "number",
      ).toBe(true);
      expect(build["status_message"] === null || typeof build["status_message"] === "string").toBe(
        true,
      );
      expect(Array.isArray(build["outputs"])).toBe(true);
      expect(Object.values(build["tags"] ?? {}).every((value) => typeof value === "string")).toBe(
        true,
      );
    }
  });

  test("of a summary and of usage are integers, but for the two times", async () => {
    const { total_duration_seconds, wall_time_seconds, ...counts } =
      await read<Summary>("/builds/summary");
    expect([typeof total_duration_seconds, typeof wall_time_seconds]).toEqual(["number", "number"]);
    expect(Object.keys(counts)).toHaveLength(8);
    const usage = await read<Summary>("/usage");
    for (const value of [...Object.values(counts), ...Object.values(usage)]) {
      expect(Number.isInteger(value)).toBe(true);
    }
  });

  test("of output are integers, and hashes are written as Nix does", async () => {
    const [built] = await read<{ outputs: Record<string, unknown>[] }[]>("/builds?status=built");
    for (const output of built?.outputs ?? []) {
      expect(Number.isInteger(output["nar_size_bytes"])).toBe(true);
      expect(output["nar_hash"]).toMatch(/^sha256-[A-Za-z0-9+/]{43}=$/);
      expect(output["path"]).toMatch(/^\/nix\/store\//);
    }
    expect(built?.outputs).toHaveLength(1);
  });
});
