import { expect, test } from "vitest";
import { unmeasured } from "../usage/usage-figures.ts";
import { JobAccount } from "./account.ts";

test("a job that ended before its work began tells what it received and how long it took", () => {
  const account = new JobAccount();
  account.enter("prefetch");
  account.traffic.receivedBytes += 7;
  expect(account.complete(null)).toMatchObject({
    cpuQuality: "none",
    cpuUserMs: null,
    receivedBytes: 7,
    sentBytes: 0,
    outputNarBytes: null,
    outputPeakBytes: null,
    storagePeakBytes: null,
    phases: {
      prepareMs: expect.any(Number),
      prefetchMs: expect.any(Number),
      queueMs: null,
      runMs: null,
      storeMs: null,
    },
  });
});

test("what was made was on disk, also when nobody looked at the right moment", () => {
  const account = new JobAccount();
  account.addOutput(300);
  account.addOutput(200);
  const seen = { ...unmeasured(1), outputPeakBytes: 400, storagePeakBytes: 900 };
  expect(account.complete(seen)).toMatchObject({
    outputNarBytes: 500,
    outputPeakBytes: 500,
    storagePeakBytes: 900,
  });
});
