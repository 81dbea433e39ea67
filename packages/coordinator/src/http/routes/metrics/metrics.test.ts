import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readVersion } from "../../../version.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";

const TOKEN = "a-token-for-prometheus";

let directory: string;
let server: TestServer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "metrics-"));
  const file = join(directory, "token");
  await writeFile(file, `${TOKEN}\n`);
  server = await openTestServer({ env: { GRADIENT_METRICS_TOKEN_FILE: file } });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

function read(authorization?: string): Promise<Response> {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
  return fetch(`${server.url}/metrics`, { headers });
}

/** Samples by what stands before their value. */
async function samples(): Promise<Map<string, number>> {
  const answer = await read(`Bearer ${TOKEN}`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  const lines = (await answer.text()).split("\n").filter((line) => /^[^#]/.test(line));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

describe("metrics", () => {
  test("are for who has the token", async () => {
    const alice = await server.user("alice");
    for (const authorization of [undefined, "Bearer x", `Basic ${TOKEN}`, `Bearer ${alice}`]) {
      const answer = await read(authorization);
      expect(answer.status).toBe(401);
      expect(answer.headers.get("www-authenticate")).toContain("Bearer");
      expect(await answer.json()).toMatchObject({ error: true, code: "unauthorized" });
    }
    expect((await read(`Bearer ${TOKEN}`)).status).toBe(200);
  });

  test("are not there without a token in the configuration", async () => {
    await using other = await openTestServer();
    expect((await fetch(`${other.url}/metrics`)).status).toBe(404);
  });

  test("tell what the farm is busy with, and of the process", async () => {
    const found = await samples();
    expect(found.get("gradient_workers_connected")).toBe(3);
    expect(found.get("gradient_workers_draining")).toBe(1);
    expect(found.get('gradient_queue_waiting{kind="build"}')).toBe(40);
    expect(found.get('gradient_assignments{kind="build"}')).toBe(7);
    expect(found.get('gradient_build_attempts_total{outcome="built"}')).toBe(5);
    expect(found.get(`gradient_coordinator_info{version="${readVersion()}"}`)).toBe(1);
    expect(found.get("process_resident_memory_bytes")).toBeGreaterThan(0);
    expect(found.get("nodejs_heap_size_used_bytes")).toBeGreaterThan(0);
  });

  test("are those of docs/metrics.md, with its labels", async () => {
    const page = readFileSync(
      new URL("../../../../../../docs/metrics.md", import.meta.url),
      "utf8",
    );
    const [, section = ""] = /^## Coordinator$(.*?)^## /ms.exec(page) ?? [];
    const documented = new Map<string, string[]>();
    for (const [, names = "", labels = ""] of section.matchAll(
      /^\| (`gradient_.*?) \| (.*?) ?\| /gm,
    )) {
      for (const name of names.match(/\w+/g) ?? [])
        documented.set(name, labels.match(/\w+/g) ?? []);
    }
    const text = await (await read(`Bearer ${TOKEN}`)).text();
    const served = Array.from(text.matchAll(/^# TYPE (gradient_\w+)/gm), ([, name = ""]) => name);
    expect([...documented.keys()].toSorted()).toEqual(served.toSorted());
    for (const sample of (await samples()).keys()) {
      const [, name = "", labels = ""] = /^(gradient_\w+)\{(.*)\}$/.exec(sample) ?? [];
      const known = documented.get(name.replace(/_(?:bucket|sum|count)$/, "")) ?? [];
      const given = Array.from(labels.matchAll(/(\w+)="/g), ([, label = ""]) => label);
      expect([...known, "le"]).toEqual(expect.arrayContaining(given));
    }
  });

  test("count answers by pattern and class, whatever is asked", async () => {
    await server.get("config");
    await server.get("caches/none-such-1");
    await server.get("caches/none-such-2");
    await fetch(`${server.url}/no/such/path?x=${TOKEN}`);
    const found = await samples();
    const of = (method: string, route: string, status: string) =>
      found.get(
        `gradient_http_requests_total{method="${method}",route="${route}",status="${status}"}`,
      );
    expect(of("GET", "/api/v1/config", "2xx")).toBe(1);
    expect(of("GET", "/api/v1/caches/:cache", "4xx")).toBe(2);
    expect(of("GET", "none", "4xx")).toBe(1);
    expect([...found.keys()].join("\n")).not.toMatch(/none-such|no\/such/);
    expect(found.get('gradient_http_request_duration_seconds_count{area="api"}')).toBeGreaterThan(
      2,
    );
  });

  test("count what caches were asked by their names, narinfos from memory as well", async () => {
    const bob = await server.user("bob");
    await server.put("caches", bob, { name: "open", display_name: "Open", public: true });
    const [nixos] = (await server.get("caches/open/upstreams", bob)).message;
    await server.delete(`caches/open/upstreams/${nixos.id}`, bob);
    const missing = `/cache/open/${"0".repeat(32)}.narinfo`;
    for (const _ of [1, 2]) await fetch(server.url + missing);
    const body = JSON.stringify({ hashes: ["1".repeat(32)] });
    await fetch(`${server.url}/cache/open/narinfos`, { method: "POST", body });
    const found = await samples();
    expect(found.get('gradient_cache_narinfo_requests_total{cache="open",result="miss"}')).toBe(3);
    expect(found.get('gradient_cache_narinfo_requests_total{cache="open",result="hit"}')).toBe(0);
    const route = 'method="GET",route="/cache/:cache/:file",status="4xx"';
    expect(found.get(`gradient_http_requests_total{${route}}`)).toBe(2);
  });
});
