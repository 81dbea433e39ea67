import { expect, test } from "vitest";
import { fingerprintOf, formatHostKeys, readHostKeys } from "./known-hosts.ts";

/** Key and fingerprint as GitHub publishes them. */
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

test("lines of single hosts are read, anything else is left out", () => {
  const lines = [`github.com ${KEY}`, `[::1]:2222 ${KEY}`];
  const odd = [`*.com ${KEY}`, `|1|a=|b= ${KEY}`, `@revoked h ${KEY}`, `a,b ${KEY}`, "x", ""];
  expect(formatHostKeys(readHostKeys([...lines, ...odd]))).toBe(`${lines.join("\n")}\n`);
});

test("a fingerprint is the one that ssh shows", () => {
  expect(fingerprintOf(KEY)).toBe("SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
});
