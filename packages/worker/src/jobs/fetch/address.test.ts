import { expect, test } from "vitest";
import { checkReference, readRepository } from "./address.ts";

test("an address that is none is a final failure", () => {
  expect(() => readRepository("git@-oProxyCommand=x:y")).toThrow(
    expect.objectContaining({ code: "bad-repository", isTransient: false }),
  );
});

test.each(["main", "feature/x", "refs/heads/main", "v1.0", "a-b"])("%s is a reference", (name) => {
  expect(() => checkReference(name)).not.toThrow();
});

test.each([
  "",
  "-x",
  "+main",
  "a..b",
  "a:b",
  "a b",
  "x.lock",
  "/a",
  "a/",
  "a//b",
  ".a",
  "a/.b",
  "a*",
  "a^",
  "@{u}",
])("'%s' is no reference", (name) => {
  expect(() => checkReference(name)).toThrow("is no name of a branch or tag");
});
