import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runProcess } from "../../process/run.ts";
import { openUsageMeters } from "../../usage/usage-meters.ts";
import { findNix, type NixInstallation } from "../installation.ts";
import { DaemonLostError } from "../nix-error.ts";
import { EvaluationFixture } from "../testing/evaluation-fixture.ts";
import { StoreRelay } from "./store-relay.ts";

let fixture: EvaluationFixture;
let unopened: NixInstallation;

beforeAll(async () => {
  fixture = await EvaluationFixture.make(process.env, async ({ nix, directory }) => {
    const file = path.join(directory, "file");
    await writeFile(file, "");
    unopened = findNix({ store: `local?root=${file}`, environment: nix.environment });
    return unopened;
  });
});

afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

/** More than a socket holds, so that it is still being sent when the answer is an error. */
const LARGE = "x".repeat(4 * 1024 * 1024);
const REASON = /not a directory/i;

test("an evaluation whose store cannot be opened fails as a whole with Nix's reason", async () => {
  const file = path.join(fixture.nix.tree, "default.nix");
  const subject = { type: "file", file, arguments: [] } as const;
  const body = `{ a = builtins.path { name = "source"; path = ./large; }; b = { }; }`;
  const evaluation = fixture.evaluate({ "default.nix": body, large: LARGE }, "a,b", { subject });
  await expect(evaluation).rejects.toThrow(DaemonLostError);
  await expect(evaluation).rejects.toThrow(REASON);
});

test("a client that sends something large is told the reason, too", async () => {
  await using meters = await openUsageMeters();
  const meter = await meters.start("relay", { memoryBytes: null, cores: null });
  const { signal } = new AbortController();
  const stateDirectory = path.join(fixture.nix.directory, "state");
  {
    await using relay = await StoreRelay.open(unopened, { meter, signal, stateDirectory });
    const large = path.join(fixture.nix.directory, "large");
    await writeFile(large, LARGE);
    const env = relay.nix.environment;
    const args = ["--add", large];
    await expect(
      runProcess({ command: "nix-store", args, env, timeoutMs: 60_000 }),
    ).rejects.toThrow(REASON);
  }
  await meter.finish([]);
});
