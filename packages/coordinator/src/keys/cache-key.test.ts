import { SecretKey } from "@gradient/protocol";
import { expect, test } from "vitest";
import { cacheKeyName, generateCacheKey } from "./cache-key.ts";

test.each([
  ["https://g.example:8443", "g.example-8443-main"],
  ["https://g.example/", "g.example-main"],
  ["http://127.0.0.1:3000/sub/path", "127.0.0.1-3000-main"],
  ["http://[::1]:3000", "--1-3000-main"],
])("the key of a cache under %s is named %s", (serveUrl, name) => {
  expect(cacheKeyName(serveUrl, "main")).toBe(name);
});

test("a new key is in Nix's format", () => {
  const key = generateCacheKey("host-main");
  const secret = SecretKey.parse(key.secretKey);
  expect(secret.publicKey.toString()).toBe(`host-main:${key.publicKey}`);
});
