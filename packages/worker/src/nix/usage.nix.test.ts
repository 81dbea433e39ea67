import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { UsageRecord } from "@gradient/protocol";
import type { BuildSlot, UsageMeters } from "../ports.ts";
import { openUsageMeters } from "../usage/usage-meters.ts";
import { openBuildSlot } from "./build-slot.ts";
import { NixFixture } from "./testing/nix-fixture.ts";

const MEBIBYTE = 1024 * 1024;
const FILLED_BYTES = 512 * MEBIBYTE;
const NO_LIMITS = { timeoutSeconds: null, maxSilentSeconds: null, cores: null, memoryBytes: null };

/** Burns 3 s of CPU by the kernel's own count, a part of it in a child, and logs what it has used. */
const BURN = `mk "burn" ''
  readTicks() {
    read -r stat < /proc/self/stat
    set -- ''\${stat##*) }
    ticks=$((''\${12} + ''\${13} + ''\${14} + ''\${15}))
  }
  burnUntil() {
    ticks=0
    while [ $ticks -lt $1 ]; do
      round=0
      while [ $round -lt 1000 ]; do round=$((round + 1)); done
      readTicks
    done
  }
  (burnUntil 100)
  burnUntil 300
  readTicks
  echo burnt $((ticks * 10)) ms
  echo > $out
''`;

/** Fills one buffer of 512 MiB and holds it for a second. */
const FILL = `mk "fill" ''
  {
    dd if=/dev/zero bs=1M count=511
    sleep 1
    dd if=/dev/zero bs=1M count=1
  } 2>/dev/null | dd bs=512M count=1 iflag=fullblock 2>/dev/null | wc -c
  echo > $out
''`;

let fixture: NixFixture;
let meters: UsageMeters & AsyncDisposable;
let slots: BuildSlot[];

beforeAll(async () => {
  fixture = await NixFixture.make(process.env);
  meters = await openUsageMeters();
  slots = [0, 1].map(() => openBuildSlot(fixture.nix));
});

afterAll(async () => {
  for (const slot of slots) await slot[Symbol.asyncDispose]();
  await meters[Symbol.asyncDispose]();
  await fixture[Symbol.asyncDispose]();
});

async function build(
  slot: BuildSlot,
  body: string,
  salt: string,
): Promise<{ usage: UsageRecord; log: string }> {
  const drvPath = await fixture.instantiate(`${body} { salt = "${salt}"; }`);
  const meter = await meters.start("usage", NO_LIMITS);
  let log = "";
  const end = await slot.build({
    drvPath,
    inputs: fixture.inputsOf(drvPath),
    limits: NO_LIMITS,
    meter,
    onLog: (text) => {
      log += text;
    },
    signal: new AbortController().signal,
  });
  const usage = await meter.finish([]);
  expect(end.status, end.message ?? "").toBe(0);
  return { usage, log };
}

function distance(measured: number, expected: number): number {
  return Math.abs(measured - expected) / expected;
}

const canMeasure = process.getuid?.() === 0;

describe.runIf(canMeasure).each([1, 2])("with %i build at once", (concurrency) => {
  test("CPU time is within 10 % of what the build burns by its own clock", async () => {
    const builds = await Promise.all(
      slots
        .slice(0, concurrency)
        .map((slot, index) => build(slot, BURN, `${concurrency}-${index}`)),
    );
    for (const { usage, log } of builds) {
      const burntMs = Number(/burnt (\d+) ms/.exec(log)?.[1]);
      const measuredMs = (usage.cpuUserMs ?? 0) + (usage.cpuSystemMs ?? 0);
      expect(burntMs).toBeGreaterThanOrEqual(3000);
      expect(distance(measuredMs, burntMs), `${measuredMs} of ${burntMs} ms`).toBeLessThan(0.1);
      expect(usage.cpuQuality).toBe("exact");
    }
  }, 60_000);

  test("memory is within 10 % of what the build touches", async () => {
    const builds = await Promise.all(
      slots
        .slice(0, concurrency)
        .map((slot, index) => build(slot, FILL, `${concurrency}-${index}`)),
    );
    for (const { usage, log } of builds) {
      expect(log).toContain(String(FILLED_BYTES));
      const peak = usage.memoryPeakBytes ?? 0;
      expect(distance(peak, FILLED_BYTES), `${peak / MEBIBYTE} MiB`).toBeLessThan(0.1);
      expect(usage.memoryRawPeakBytes).toBeGreaterThanOrEqual(peak);
    }
  }, 60_000);
});

describe.runIf(canMeasure)("page cache", () => {
  test("is in the raw peak, and not in what was needed", async () => {
    const body = `mk "writes" "dd if=/dev/zero of=file bs=1M count=200 2>/dev/null; sleep 0.5; echo > $out"`;
    const { usage } = await build(slots[0] ?? failSlot(), body, "cache");
    expect(usage.memoryRawPeakBytes).toBeGreaterThan(190 * MEBIBYTE);
    expect(usage.memoryPeakBytes).toBeLessThan(60 * MEBIBYTE);
    expect(usage.memoryQuality).toBe("sampled");
  });
});

describe.runIf(canMeasure)("storage", () => {
  const STORES = `dd if=/dev/zero of=scratch bs=1M count=60 2>/dev/null
    mkdir $target
    dd if=/dev/zero of=$target/data bs=1M count=20 2>/dev/null
    ln $target/data $target/same
    sleep 1
    rm scratch`;

  test.each([
    ["in its environment", `target=$out; ${STORES}`, ""],
    [
      "in a file",
      `target=$(sed 's/.*"out":"\\([^"]*\\)".*/\\1/' .attrs.json); ${STORES}`,
      "__structuredAttrs = true;",
    ],
  ])("of a build whose outputs are named %s is seen", async (where, script, attributes) => {
    const body = `(salted: mk "stores" ''${script}'' (salted // { ${attributes} }))`;
    const { usage } = await build(slots[0] ?? failSlot(), body, where.replaceAll(" ", "-"));
    expect(usage.storageQuality).toBe("sampled");
    const peaks = [
      [usage.buildDirectoryPeakBytes, 60],
      [usage.outputPeakBytes, 20],
      [usage.storagePeakBytes, 80],
    ] as const;
    for (const [bytes, mebibytes] of peaks) {
      expect(distance((bytes ?? 0) / MEBIBYTE, mebibytes)).toBeLessThan(0.05);
    }
  });
});

test("the shortest build has figures, and none of them is zero by default", async () => {
  const { usage } = await build(slots[0] ?? failSlot(), `mk "short" "echo > $out"`, "short");
  expect(usage.memoryPeakBytes).toBeGreaterThan(0);
  expect(usage.cpuUserMs).toBeGreaterThanOrEqual(0);
  expect(usage.series.length).toBeGreaterThan(0);
});

function failSlot(): never {
  throw new Error("there is a slot");
}
