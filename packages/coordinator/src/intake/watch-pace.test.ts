import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { ManualClock } from "../manual-clock.test-support.ts";
import { watchPace } from "./watch-pace.ts";

/** What becomes of an upload of which so many bytes come each second, for a minute. */
async function outcome(bytesPerSecond: number, isWanted: boolean): Promise<string> {
  const clock = new ManualClock();
  const body = new PassThrough();
  let received = 0;
  let error: Error | null = null;
  body.on("error", (failure: Error) => {
    error = failure;
  });
  using _watch = watchPace({ gate: { isWanted }, body, received: () => received }, clock);
  for (let second = 0; second < 60; second++) {
    received += bytesPerSecond;
    await clock.advance(1000);
  }
  return error === null ? "goes on" : (error as Error).name;
}

test("an upload that hardly comes is ended when others wait, and only then", async () => {
  expect(await outcome(1000, true)).toBe("UnavailableError");
  expect(await outcome(0, true)).toBe("UnavailableError");
  expect(await outcome(1000, false)).toBe("goes on");
  expect(await outcome(20_000, true)).toBe("goes on");
});

test("one whose bytes wait for us is not the slow one", async () => {
  const clock = new ManualClock();
  const body = new PassThrough();
  body.write("it is there");
  using _watch = watchPace({ gate: { isWanted: true }, body, received: () => 0 }, clock);
  await clock.advance(120_000);
  expect(body.destroyed).toBe(false);
});
