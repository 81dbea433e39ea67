import { afterAll, beforeAll, expect, test } from "vitest";
import { openBuildSlot } from "../nix/build-slot.ts";
import { NixFixture } from "../nix/testing/nix-fixture.ts";
import type { UsageMeters } from "../ports.ts";
import { openUsageMeters } from "../usage/usage-meters.ts";
import { SlotBuilder } from "./slot-builder.ts";

const NO_LIMITS = { timeoutSeconds: null, maxSilentSeconds: null, cores: null, memoryBytes: null };

let fixture: NixFixture;
let meters: UsageMeters & AsyncDisposable;
let builder: SlotBuilder;
let events: string[];

beforeAll(async () => {
  fixture = await NixFixture.make(process.env);
  meters = await openUsageMeters();
  builder = new SlotBuilder({ slots: 2, openSlot: () => openBuildSlot(fixture.nix), meters });
});

afterAll(async () => {
  await builder[Symbol.asyncDispose]();
  await meters[Symbol.asyncDispose]();
  await fixture[Symbol.asyncDispose]();
});

/** Tells its name when it starts, when it says something, and when it ends. */
async function build(name: string, drvPath: string, signal = new AbortController().signal) {
  const told = await builder.build({
    name,
    drvPath,
    inputs: fixture.inputsOf(drvPath),
    limits: NO_LIMITS,
    onStart: () => void events.push(`${name} starts`),
    onLog: (text) => void events.push(`${name}: ${text.trim()}`),
    signal,
  });
  events.push(`${name} ends with ${told.end.status}`);
  return told;
}

test("a derivation is built once at a time, and whoever asks meanwhile waits without a slot", async () => {
  const drvPath = await fixture.instantiate(`mk "same" "echo built; sleep 0.3; echo > $out" { }`);
  events = [];
  await Promise.all([build("one", drvPath), build("two", drvPath)]);
  const [first, second] = ["one starts", "two starts"];
  // Built, and valid already.
  expect(events).toEqual([first, "one: built", "one ends with 0", second, "two ends with 2"]);
});

test("one that fails is built again by who waited for it, and by nobody who was cancelled", async () => {
  const drvPath = await fixture.instantiate(`mk "bad" "echo tried; exit 1" { }`);
  events = [];
  const cancel = new AbortController();
  const first = build("one", drvPath);
  const second = build("two", drvPath, cancel.signal);
  const third = build("three", drvPath);
  const reason = new Error("no longer wanted");
  cancel.abort(reason);
  await expect(second).rejects.toBe(reason);
  await Promise.all([first, third]);
  const one = ["one starts", "one: tried", "one ends with 3"];
  expect(events).toEqual([...one, "three starts", "three: tried", "three ends with 3"]);
});
