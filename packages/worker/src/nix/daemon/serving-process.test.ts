import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { servingProcesses } from "./serving-process.ts";

test("a daemon's process for us is told by our pid in place of its first argument", async () => {
  const proc = await mkdtemp(path.join(tmpdir(), "gradient-proc-"));
  const commands = {
    10: "nix-daemon\0--daemon\0",
    11: `nix-daemon\0${process.pid}\0\0\0\0`,
    12: `/nix/store/x-nix/bin/nix-daemon\0${process.pid}1\0`,
    // A daemon that was started without an argument has no place to write it.
    13: "nix-daemon\0",
    14: `sleep\0${process.pid}\0`,
    self: `nix-daemon\0${process.pid}\0`,
  };
  for (const [pid, command] of Object.entries(commands)) {
    await mkdir(path.join(proc, pid));
    await writeFile(path.join(proc, pid, "cmdline"), command);
  }
  await mkdir(path.join(proc, "99"));
  expect(servingProcesses(proc)).toEqual(new Set([11]));
  await rm(proc, { recursive: true });
});
