import { expect, test } from "vitest";
import { namesOf, numberOf, readQuery, spellings, textOf } from "./query.ts";

test.each([
  ["/x", {}],
  ["/x?", {}],
  ["/x?nr=1&nr=2", { nr: "2" }],
  ["/x?nr&job=a=b&ok=1", { ok: "1" }],
  ["/x?job=", { job: "" }],
  ["/x?job=gtk+.x86_64-linux", { job: "gtk+.x86_64-linux" }],
  ["/x?job=gtk%2B.x86_64-linux", { job: "gtk+.x86_64-linux" }],
  ["/x?job=100%&spec=%zz", { job: "100%", spec: "%zz" }],
])("%s is read as Cuirass does, but without escapes", (url, wanted) => {
  const query = readQuery(url);
  expect(Object.fromEntries([...query.keys()].map((name) => [name, textOf(query, name)]))).toEqual(
    wanted,
  );
});

test.each([
  ["nr=0", 0],
  ["nr=1000", 1000],
  ["nr=-1", null],
  ["nr=1.5", null],
  ["nr=abc", null],
  ["nr=%31", null],
  ["nr=", null],
  ["nr=9999999999999999", null],
  ["nr", undefined],
])("%s is the number %s", (text, wanted) => {
  expect(numberOf(readQuery(`/x?${text}`), "nr")).toBe(wanted);
});

test("names are parted before their escapes are undone, and found however they were written", () => {
  expect(namesOf(readQuery("/x?names=a,b%2Cc,gtk%2B"), "names")).toEqual([
    "a",
    "b,c",
    "b%2Cc",
    "gtk+",
  ]);
  expect(spellings("a b")).toEqual(["a b", "a%20b"]);
  const many = `/x?names=${Array.from({ length: 501 }, (_, at) => `j${at}`).join(",")}`;
  expect(() => namesOf(readQuery(many), "names")).toThrow("Maximum limit exceeded");
});
