import { expect, test } from "vitest";
import { openTestServer } from "../http/server.test-support.ts";
import { ManualClock } from "../manual-clock.test-support.ts";
import { Readiness } from "./readiness.ts";

test("a server that works is ready, and tells that no worker is connected", async () => {
  await using server = await openTestServer();
  const { status, message } = await server.get("health/ready");
  expect([status, message]).toEqual([200, { ready: true, warnings: ["no worker is connected"] }]);
});

test("what is missing is told, and asked for again only after some seconds", async () => {
  await using server = await openTestServer();
  const clock = new ManualClock();
  let asked = 0;
  const nars = {
    size: () => {
      asked += 1;
      return asked === 1 ? Promise.reject(new Error("away")) : Promise.resolve(null);
    },
  };
  const parts = { ...server.services, nars, clock };
  const readiness = new Readiness({ ...parts, stopping: new AbortController().signal });
  const { reasons } = await readiness.look();
  expect(reasons).toEqual(["the store of NARs does not answer"]);
  expect(await readiness.look()).toMatchObject({ reasons });
  await clock.advance(5000);
  expect(await readiness.look()).toMatchObject({ reasons: [] });
  expect(asked).toBe(2);
});

test("a store that never answers keeps nobody waiting", async () => {
  await using server = await openTestServer();
  const clock = new ManualClock();
  const nars = { size: () => new Promise<null>(() => undefined) };
  const parts = { ...server.services, nars, clock };
  const looking = new Readiness({ ...parts, stopping: new AbortController().signal }).look();
  await clock.advance(5000);
  expect((await looking).reasons).toContain("the store of NARs does not answer");
});

test("one that stops sends its users elsewhere at once", async () => {
  await using server = await openTestServer();
  const stopping = AbortSignal.abort();
  const readiness = new Readiness({
    ...server.services,
    clock: new ManualClock(),
    stopping,
  });
  expect((await readiness.look()).reasons).toEqual(["the coordinator is stopping"]);
});
