import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { MasterKey, SealError } from "./master-key.ts";

const key = new MasterKey(randomBytes(32));

test("what was sealed can be opened with the same key and context", () => {
  const sealed = key.seal("secret ü", "cache 1");
  expect(sealed.startsWith(`${key.id}:`)).toBe(true);
  expect(sealed).not.toContain("secret");
  expect(key.open(sealed, "cache 1")).toBe("secret ü");
});

test("sealing twice gives two texts", () => {
  expect(key.seal("a", "x")).not.toBe(key.seal("a", "x"));
});

test("a sealed secret that was moved to another row does not open", () => {
  expect(() => key.open(key.seal("a", "cache 1"), "cache 2")).toThrow(SealError);
});

test("another master key is named in the refusal", () => {
  const other = new MasterKey(randomBytes(32));
  expect(() => other.open(key.seal("a", "x"), "x")).toThrow(`sealed with master key ${key.id}`);
});

test("every damaged byte is noticed", () => {
  const sealed = key.seal("a", "x");
  const [id, nonce, body = ""] = sealed.split(":");
  const bytes = Buffer.from(body, "base64");
  for (const at of bytes.keys()) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    expect(() => key.open(`${id}:${nonce}:${damaged.toString("base64")}`, "x")).toThrow(SealError);
  }
  expect(() => key.open("nonsense", "x")).toThrow(SealError);
});
