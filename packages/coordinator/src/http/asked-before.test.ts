import { expect, test } from "vitest";
import { AskedBefore } from "./asked-before.ts";

const keys = (count: number) => Array.from({ length: count }, (_, n) => `key ${n}`);

test("a key is known from the second time on", () => {
  const asked = new AskedBefore();
  expect(keys(100).filter((key) => asked.note(key))).toEqual([]);
  expect(keys(100).filter((key) => asked.note(key)).length).toBeGreaterThan(90);
});

test("a key is forgotten when many others were asked for since", () => {
  const asked = new AskedBefore();
  for (const key of keys(100_000)) asked.note(key);
  expect(keys(100).filter((key) => asked.note(key))).toEqual([]);
});
