import { expect, test } from "vitest";
import { Pace } from "./pace.ts";

test("a pause that would last for hours ends when the work is called off", async () => {
  const stop = new AbortController();
  const pause = new Pace().after(2 ** 40, stop.signal);
  stop.abort();
  await expect(pause).rejects.toMatchObject({ name: "AbortError" });
});
