import { afterAll, beforeAll, expect, test } from "vitest";
import { ManualClock } from "../../../../manual-clock.test-support.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";
import { makeOrganization, seedAttempt } from "../../nixbuild/attempts.test-support.ts";

const DAY = Date.UTC(2027, 0, 10);
const DAY_MS = 86_400_000;

let server: TestServer;
let alice: string;

beforeAll(async () => {
  server = await openTestServer({ clock: new ManualClock() });
  alice = await server.user("alice");
  const acme = await makeOrganization(server, alice, "acme");
  const seed = (name: string, at: number, status: "built" | "out_of_memory", value: string) =>
    seedAttempt(server.services.database.kysely, {
      organizationId: acme,
      name,
      status,
      createdAt: DAY + at * DAY_MS,
      tags: { TEAM: value, OTHER: "x" },
    });
  await seed("one", 0, "built", "red");
  await seed("two", 0, "out_of_memory", '=a,"b"');
  await seed("three", 1, "built", "red");
});
afterAll(() => server[Symbol.asyncDispose]());

const figures = (builds: number, billable: number) => ({
  builds,
  billable_builds: billable,
  measured_cpu_seconds: 3 * builds,
  allocated_cpu_seconds: 8 * builds,
  billable_measured_cpu_seconds: 3 * billable,
  billable_allocated_cpu_seconds: 8 * billable,
});

test("usage is told by day, and a tag's values apart", async () => {
  const days = await server.get("orgs/acme/usage", alice);
  expect(days.message).toEqual([
    { day: "2027-01-10", group: null, ...figures(2, 1) },
    { day: "2027-01-11", group: null, ...figures(1, 1) },
  ]);
  const query = "by=tag&tag=TEAM&from=2027-01-10&to=2027-01-11";
  expect((await server.get(`orgs/acme/usage?${query}`, alice)).message).toEqual([
    { day: "2027-01-10", group: '=a,"b"', ...figures(1, 0) },
    { day: "2027-01-10", group: "red", ...figures(1, 1) },
  ]);
});

test("a table can be opened without running anything", async () => {
  const answer = await server.get("orgs/acme/usage.csv?by=tag&tag=TEAM&to=2027-01-11", alice);
  expect(answer.text.split("\r\n")[1]).toBe(`2027-01-10,"'=a,""b""",1,0,3,8,0,0`);
  expect(answer.headers.get("content-disposition")).toContain("attachment");
});

test("Prometheus is given counters", async () => {
  await server.services.database.kysely
    .updateTable("attempt_sums")
    .set({ scope: "project:gone" })
    .where("scope", "=", "")
    .execute();
  const { text } = await server.get("orgs/acme/usage/metrics", alice);
  expect(text).toContain(
    'gradient_usage_measured_cpu_seconds_total{organization="acme",project=""} 9\n',
  );
});

test("what makes no sense is refused, and strangers learn nothing", async () => {
  for (const query of ["by=tag", "by=color", "from=soon"])
    expect((await server.get(`orgs/acme/usage?${query}`, alice)).status, query).toBe(400);
  const bob = await server.user("bob");
  for (const path of ["usage", "usage.csv", "usage/metrics"]) {
    expect((await server.get(`orgs/acme/${path}`, bob)).status).toBe(404);
    expect((await server.get(`orgs/acme/${path}`)).status).toBe(401);
  }
});
