import { expect, test } from "vitest";
import { MicroClock } from "../micro-clock.ts";
import { BuildListener } from "./build-listener.ts";

test("what Nix says of its own database while it waits is no line of a build's log", () => {
  const texts: string[] = [];
  const drvPath = "/nix/store/00000000000000000000000000000000-a.drv";
  const listener = new BuildListener(drvPath, {
    clock: new MicroClock(),
    onLog: (text) => texts.push(text),
    onForeignBuild: () => {},
  });
  listener.onMessage("warning: something that matters\n");
  listener.onMessage("warning: error: SQLite database '/nix/var/nix/db/db.sqlite' is busy\n");
  listener.flush();
  expect(texts).toEqual(["warning: something that matters\n"]);
});

test.each([
  { what: "", setMs: 0 },
  { what: ", also when the clock is set to an hour before meanwhile", setMs: -3_600_000 },
  { what: ", also when the clock is set to a day after meanwhile", setMs: 86_400_000 },
])(
  "a build takes what lies between its start and its stop, to the microsecond$what",
  ({ setMs }) => {
    const drvPath = "/nix/store/00000000000000000000000000000000-a.drv";
    let wallMs = Date.UTC(2027, 0, 10);
    let monotonicMs = 0;
    const clock = new MicroClock(
      () => wallMs + Math.floor(monotonicMs),
      () => monotonicMs,
    );
    const listener = new BuildListener(drvPath, {
      clock,
      onLog: () => {},
      onForeignBuild: () => {},
    });
    const asked = clock.now();
    const activity = { id: 1n, type: 105, text: "", fields: [drvPath] };
    monotonicMs += 1.069;
    listener.onStart(activity);
    wallMs += setMs;
    monotonicMs += 23.742;
    listener.onStop(1n);
    monotonicMs += 5;
    const from = Date.UTC(2027, 0, 10);
    expect(listener.times(asked)).toEqual({
      startedAt: from + 1,
      startedUs: 69,
      stoppedAt: from + 24,
      stoppedUs: 811,
    });
  },
);
