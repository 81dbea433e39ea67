import { describe, expect, test } from "vitest";
import { CoordinatorError } from "../errors.ts";
import { checkEmail, checkPassword, checkUsername } from "./account.ts";
import { canonicalRange, isInRanges } from "./address.ts";
import { checkDisplayName, checkSlug } from "./names.ts";
import { checkRepository } from "./repository.ts";
import { checkWildcard } from "./wildcard.ts";
import { checkWorkerId, checkWorkerToken } from "./worker.ts";

function codeOf(check: () => unknown): string | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof CoordinatorError) return error.code;
    throw error;
  }
}

const isRefused = (check: () => unknown) => codeOf(check) !== null;

describe("passwords", () => {
  test.each([
    "Sh0rt!x",
    "x".repeat(129),
    "Password-1x",
    "lowercase-1",
    "UPPERCASE-1",
    "No-Digits",
    "NoSymbol1",
    "X-abcd-1",
    "Ab-1234-x",
    "Aaa111-bbb",
  ])("%s is refused", (password) => {
    expect(codeOf(() => checkPassword(password))).toBe("invalid_password");
  });

  test.each(["Correct-Horse7", "Pässwörd-1", "aB3!aB3!", "Abc-Abc-12"])(
    "%s is taken",
    (password) => {
      expect(isRefused(() => checkPassword(password))).toBe(false);
    },
  );

  test("never stand in the message", () => {
    expect(() => checkPassword("topsecret")).toThrow(
      /^password cannot be used: it needs an upper-case letter$/,
    );
  });
});

test.each([
  ["bob", true],
  ["Bob-the_builder9", true],
  ["ab", false],
  ["a".repeat(51), false],
  ["_bob", false],
  ["bob-", false],
  ["bo__b", false],
  ["bo_-b", false],
  ["Admin", false],
  ["bo b", false],
])("the username %s is good: %s", (username, isGood) => {
  expect(isRefused(() => checkUsername(username))).toBe(!isGood);
});

test.each([
  ["a@b.cc", true],
  ["a.b+c@sub.example.com", true],
  ["a@localhost", true],
  ["a", false],
  ["a@", false],
  ["a b@c.dd", false],
  ["a@-x.yy", false],
  [`${"a".repeat(65)}@b.cc`, false],
])("the address %s is good: %s", (email, isGood) => {
  expect(isRefused(() => checkEmail(email))).toBe(!isGood);
});

test.each([
  ["a", true],
  ["my-project-2", true],
  ["", false],
  ["-a", false],
  ["a-", false],
  ["A", false],
  ["a_b", false],
  ["a".repeat(65), false],
])("the slug %s is good: %s", (slug, isGood) => {
  expect(isRefused(() => checkSlug("organization", slug))).toBe(!isGood);
});

test.each([
  ["Ünïcode O'Neil 3.1-x_y", true],
  ["", false],
  [" a", false],
  ["a  b", false],
  ["a/b", false],
  ["a".repeat(101), false],
])("the display name %s is good: %s", (name, isGood) => {
  expect(isRefused(() => checkDisplayName(name))).toBe(!isGood);
});

test.each([
  ["https://example.com/r.git", true],
  ["git@example.com:r.git", true],
  ["ssh://git@example.com/r", true],
  ["host:path", true],
  ["", false],
  ["name", false],
  ["file:///etc", false],
  ["git+file:///etc", false],
  ["--upload-pack=x:y", false],
  ["https://example.com/ r", false],
])("the repository %s is good: %s", (repository, isGood) => {
  expect(isRefused(() => checkRepository(repository))).toBe(!isGood);
});

test("a wildcard is checked by the farm's own parser", () => {
  expect(isRefused(() => checkWildcard('packages.*, checks.#, !packages.x86_64-linux."a.b"'))).toBe(
    false,
  );
  expect(codeOf(() => checkWildcard("a,,b"))).toBe("bad_request");
});

test("a worker's id is a UUID of version 4, in lower case", () => {
  expect(checkWorkerId("550E8400-E29B-41D4-A716-446655440000")).toBe(
    "550e8400-e29b-41d4-a716-446655440000",
  );
  expect(isRefused(() => checkWorkerId("550e8400-e29b-71d4-a716-446655440000"))).toBe(true);
});

test("a worker's token is base64 of 48 bytes", () => {
  const token = Buffer.alloc(48).toString("base64");
  expect(checkWorkerToken(` ${token}\n`)).toBe(token);
  expect(isRefused(() => checkWorkerToken(Buffer.alloc(47).toString("base64")))).toBe(true);
});

test("addresses and ranges are compared in either family", () => {
  expect(canonicalRange("10.1.2.3")).toBe("10.1.2.3/32");
  expect(canonicalRange("fd00::/8")).toBe("fd00::/8");
  expect([
    canonicalRange("10.0.0.0/33"),
    canonicalRange("x"),
    canonicalRange("1.2.3.4/8/9"),
  ]).toEqual([null, null, null]);
  expect(isInRanges("10.1.2.3", ["10.0.0.0/8"])).toBe(true);
  expect(isInRanges("::ffff:10.1.2.3", ["10.0.0.0/8"])).toBe(true);
  expect(isInRanges("11.1.2.3", ["10.0.0.0/8", "fd00::/8"])).toBe(false);
  expect(isInRanges("fd12::1", ["fd00::/8"])).toBe(true);
});
