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

test("a build takes what lies between its start and its stop, to the microsecond", () => {
  const drvPath = "/nix/store/00000000000000000000000000000000-a.drv";
  let monotonicMs = 0;
  const clock = new MicroClock(
    () => Date.UTC(2027, 0, 10) + Math.floor(monotonicMs),
    () => monotonicMs,
  );
  const listener = new BuildListener(drvPath, { clock, onLog: () => {}, onForeignBuild: () => {} });
  const asked = clock.now();
  const activity = { id: 1n, type: 105, text: "", fields: [drvPath] };
  monotonicMs += 1.069;
  listener.onStart(activity);
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
});
