import { expect, test } from "vitest";
import { readTagList, readTagsField, requestTags } from "./tags.ts";

test("a tag ends its name at the first colon, and a value may have a comma", () => {
  expect(readTagList("A:b:c,d,E:")).toEqual([
    { name: "A", value: "b:c,d" },
    { name: "E", value: "" },
  ]);
});

test("fields of the body go before the header", () => {
  expect(requestTags("A:1, B:2", { B: "3" })).toEqual({ A: "1", B: "3" });
  expect(requestTags(undefined, null)).toEqual({});
  expect(requestTags("", undefined)).toEqual({});
});

test.each([
  ["A", null],
  [":1", null],
  [undefined, { "a b": "1" }],
  [undefined, { A: "x\ny" }],
  [undefined, { A: "x".repeat(1001) }],
  [undefined, Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`T${at}`, ""]))],
])("header %j with fields %j is refused", (header, field) => {
  expect(() => requestTags(header, field)).toThrow(/^tags: /);
});

test("the field of a form is a JSON object of texts", () => {
  expect(readTagsField('{"A":"1"}')).toEqual({ A: "1" });
  expect(readTagsField(undefined)).toBeNull();
  for (const text of ["{", "[]", "null", '{"A":1}'])
    expect(() => readTagsField(text)).toThrow(/field "tags"/);
});
