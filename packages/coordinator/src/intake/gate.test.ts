import { expect, test } from "vitest";
import { Gate } from "./gate.ts";
import { KeyedLock } from "./keyed-lock.ts";

test("a gate lets as many in as it has places, and the next one when somebody leaves", async () => {
  const gate = new Gate(2);
  const first = await gate.enter();
  await gate.enter();
  const seen: string[] = [];
  const third = gate.enter().then(() => seen.push("third"));
  await Promise.resolve();
  expect(seen).toEqual([]);
  first[Symbol.dispose]();
  await third;
  expect(seen).toEqual(["third"]);
});

test("a gate has a place for others, however much one key wants", async () => {
  const gate = new Gate(4);
  const held = await Promise.all(["a", "a", "a"].map((key) => gate.enter(key)));
  expect([gate.hasRoomFor("a"), gate.hasRoomFor("b"), gate.isWanted]).toEqual([false, true, false]);
  const seen: string[] = [];
  const fourth = gate.enter("a").then(() => seen.push("a"));
  expect(gate.isWanted).toBe(true);
  const other = await gate.enter("b");
  const second = gate.enter("b").then(() => seen.push("b"));
  other[Symbol.dispose]();
  await second;
  expect(seen).toEqual(["b"]);
  held[0]?.[Symbol.dispose]();
  await fourth;
  expect(seen).toEqual(["b", "a"]);
});

test("a key has one holder at a time, other keys do not wait, and a failure frees it", async () => {
  const lock = new KeyedLock();
  const seen: string[] = [];
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const first = lock.hold(["a", "b"], async () => {
    await held;
    throw new Error("no");
  });
  const second = lock.hold(["b", "a"], () => Promise.resolve(seen.push("second")));
  await lock.hold(["c"], () => Promise.resolve(seen.push("other")));
  expect(seen).toEqual(["other"]);
  release();
  await expect(first).rejects.toThrow("no");
  await second;
  expect(seen).toEqual(["other", "second"]);
});
