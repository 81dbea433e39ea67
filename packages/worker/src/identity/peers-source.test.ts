import { chmod, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { organizationIdSchema } from "@gradient/protocol";
import { UserError } from "../errors.ts";
import { captureLog } from "../testing/log-capture.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { hasUsableEntry, tokenFor } from "./peers.ts";
import { openInlinePeers, openPeersFile } from "./peers-source.ts";

const A = organizationIdSchema.parse("0a0a0a0a-0000-4000-8000-000000000001");
const TOKEN = "t".repeat(64);
const OTHER = "o".repeat(64);

async function peersFile(content: string, mode = 0o600) {
  const file = join(await temporaryDirectory(), "peers");
  await writeFile(file, content, { mode });
  const log = captureLog();
  const source = await openPeersFile(file, log.logger);
  onTestFinished(() => source[Symbol.asyncDispose]());
  return { file, log, source };
}

describe("a peers file", () => {
  test("is read again when it was written to", async () => {
    const { file, source } = await peersFile(`${A}:${TOKEN}\n`);
    expect(tokenFor(await source.read(), A)).toBe(TOKEN);
    await writeFile(file, `${A}:${OTHER}\n`);
    expect(tokenFor(await source.read(), A)).toBe(OTHER);
  });

  test("tells when it was replaced by a rename", async () => {
    const { file, source } = await peersFile("# nothing yet\n");
    expect(hasUsableEntry(await source.read())).toBe(false);
    const changed = new Promise<void>((resolve) => source.onChange(resolve));
    await writeFile(`${file}.new`, `${A}:${TOKEN}\n`, { mode: 0o600 });
    await rename(`${file}.new`, file);
    await changed;
    expect(tokenFor(await source.read(), A)).toBe(TOKEN);
  });

  test("reports rejected lines by number, and no token", async () => {
    const { log } = await peersFile(`${A}:${TOKEN}\nnonsense\n${A}:${"x".repeat(20)}\n`);
    const rejected = log.lines().filter(({ msg }) => msg === "line of the peers is not used");
    expect(rejected.map(({ line }) => line)).toEqual([2, 3]);
    expect(log.text()).not.toContain(TOKEN);
    expect(log.text()).not.toContain("x".repeat(20));
  });

  test("that others can read is a warning", async () => {
    const { file, log, source } = await peersFile(`${A}:${TOKEN}\n`, 0o600);
    const warning = "peers file can be read by group or others; make it mode 0600";
    expect(log.messages()).not.toContain(warning);
    await chmod(file, 0o640);
    await source.read();
    expect(log.messages()).toContain(warning);
  });

  test("that vanishes counts as empty, and is used again when it is back", async () => {
    const { file, log, source } = await peersFile(`${A}:${TOKEN}\n`);
    await rm(file);
    expect(hasUsableEntry(await source.read())).toBe(false);
    expect(log.messages()).toContain("peers file cannot be read; it counts as empty until it can");
    await writeFile(file, `${A}:${TOKEN}\n`);
    expect(tokenFor(await source.read(), A)).toBe(TOKEN);
  });

  test("that cannot be read at the start is the operator's mistake", async () => {
    const file = join(await temporaryDirectory(), "missing");
    const opening = openPeersFile(file, captureLog().logger);
    await expect(opening).rejects.toBeInstanceOf(UserError);
    await expect(opening).rejects.toThrow(file);
  });
});

test("inline peers without a usable entry are the operator's mistake", () => {
  expect(() => openInlinePeers("nonsense", captureLog().logger)).toThrow(UserError);
});
