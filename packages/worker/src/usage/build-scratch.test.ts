import { mkdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { runProcess } from "../process/run.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { BuildScratch } from "./build-scratch.ts";

const OUTPUT = `${"a".repeat(32)}-made`;
const PID = 7;
const signal = new AbortController().signal;

/** A `/proc` with one builder, whose output has 5000 bytes. */
async function builder(variables: Record<string, string>): Promise<{ proc: string; top: string }> {
  const proc = await temporaryDirectory();
  const root = path.join(proc, String(PID), "root");
  const top = path.join(root, "build");
  await mkdir(top, { recursive: true });
  await mkdir(path.join(root, "nix/store"), { recursive: true });
  await writeFile(path.join(root, "nix/store", OUTPUT), Buffer.alloc(5000));
  const entries = Object.entries({ NIX_BUILD_TOP: "/build", ...variables });
  const environ = entries.map(([name, value]) => `${name}=${value}\0`).join("");
  await writeFile(path.join(proc, String(PID), "environ"), environ);
  return { proc, top };
}

async function outputBytes(proc: string): Promise<number | undefined> {
  using scratch = BuildScratch.find(proc, [PID]);
  return (await scratch?.measure(signal))?.outputBytes;
}

const STRUCTURED = { NIX_ATTRS_JSON_FILE: "/build/.attrs.json" };

test("outputs are those that the environment names, or the file of structured attributes", async () => {
  const plain = await builder({ outputs: "out", out: `/nix/store/${OUTPUT}` });
  expect(await outputBytes(plain.proc)).toBeGreaterThanOrEqual(5000);
  const { proc, top } = await builder(STRUCTURED);
  const attributes = JSON.stringify({ outputs: { out: `/nix/store/${OUTPUT}` } });
  await writeFile(path.join(top, ".attrs.json"), attributes);
  expect(await outputBytes(proc)).toBeGreaterThanOrEqual(5000);
});

test("a builder that puts a pipe or a device in the place of that file holds up nothing", async () => {
  const pipe = await builder(STRUCTURED);
  await runProcess({
    command: "mkfifo",
    args: [path.join(pipe.top, ".attrs.json")],
    env: { PATH: process.env["PATH"] ?? "" },
    timeoutMs: 10_000,
  });
  expect(await outputBytes(pipe.proc)).toBe(0);
  const device = await builder(STRUCTURED);
  await symlink("/dev/zero", path.join(device.top, ".attrs.json"));
  expect(await outputBytes(device.proc)).toBe(0);
});
