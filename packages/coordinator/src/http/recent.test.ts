import { expect, test } from "vitest";
import { Recent } from "./recent.ts";

/** Those of the keys, each one letter, that have values. */
function keysOf(recent: Recent<string>, keys: string): string {
  return keys
    .split("")
    .filter((key) => recent.get(key) !== undefined)
    .join("");
}

test("what was not used for the longest time is forgotten first", () => {
  const recent = new Recent<string>(2);
  for (const key of "abc") recent.set(key, key);
  expect(recent.get("a")).toBe("a");
  recent.set("d", "d");
  expect(keysOf(recent, "ab")).toBe("a");
});

test("what values weigh together is bounded", () => {
  const recent = new Recent<string>(10, (value) => value.length);
  for (const key of "abcdefgh") recent.set(key, "12345");
  expect(keysOf(recent, "abcdefgh").length).toBeLessThanOrEqual(4);
  expect(recent.get("h")).toBe("12345");
});

test("a value that takes another's place, or is deleted, weighs nothing any more", () => {
  const recent = new Recent<string>(10, (value) => value.length);
  for (let time = 0; time < 100; time += 1) recent.set("a", "12345");
  recent.set("b", "12345");
  recent.delete("b");
  recent.set("c", "12345");
  expect(keysOf(recent, "abc")).toBe("ac");
  recent.deleteAll((key) => key === "a");
  expect(keysOf(recent, "abc")).toBe("c");
});
