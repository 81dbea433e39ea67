import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { generateSshKey } from "./ssh-key.ts";

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ssh-key-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function hasSshKeygen(): boolean {
  try {
    execFileSync("ssh-keygen", ["-?"], { stdio: "ignore" });
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ENOENT");
  }
}

test.skipIf(!hasSshKeygen())("OpenSSH reads the private key and finds the public one in it", () => {
  const pair = generateSshKey();
  const file = join(directory, "key");
  writeFileSync(file, pair.privateKey, { mode: 0o600 });
  const derived = execFileSync("ssh-keygen", ["-y", "-f", file], { encoding: "utf8" });
  expect(derived.trim()).toBe(pair.publicKey);
});

test("keys differ and have the shape of OpenSSH's files", () => {
  const pair = generateSshKey();
  expect(pair.publicKey).toMatch(/^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}$/);
  expect(pair.privateKey).toMatch(
    /^-----BEGIN OPENSSH PRIVATE KEY-----\n[\s\S]+\n-----END OPENSSH PRIVATE KEY-----\n$/,
  );
  expect(generateSshKey().publicKey).not.toBe(pair.publicKey);
});
