import { join } from "node:path";
import { assignmentIdSchema, type PathFacts } from "@gradient/protocol";
import { v7 } from "uuid";
import { expect, test } from "vitest";
import { WorkerError } from "../errors.ts";
import { ScriptedStore } from "../testing/scripted-nix.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import type { TransferScope } from "../transfer/client.ts";
import type { Transfers } from "../transfer/transfers.ts";
import { Imports } from "./imports.ts";

async function setUp(
  download: (facts: PathFacts, scope: TransferScope) => Promise<void>,
  count: number,
) {
  const directory = await temporaryDirectory();
  const remote = new ScriptedStore(join(directory, "remote"));
  const paths: PathFacts[] = [];
  for (let at = 0; at < count; at += 1) paths.push(await remote.add(`path-${at}`, `${at}`));
  const transfers = {
    closure: () => Promise.resolve({ paths, missing: [] }),
    downloadNar: download,
  } as unknown as Transfers;
  const imports = new Imports(new ScriptedStore(join(directory, "local")), transfers);
  const controller = new AbortController();
  const scope = {
    assignment: assignmentIdSchema.parse(v7()),
    signal: controller.signal,
    traffic: { sentBytes: 0, receivedBytes: 0 },
  };
  return { imports, scope, controller, wanted: paths.map(({ path }) => path) };
}

test("the first failure ends the other downloads, and is told when they have ended", async () => {
  const open = new Set<string>();
  const { imports, scope, wanted } = await setUp(async ({ path }, { signal }) => {
    if (path.endsWith("path-3")) throw new WorkerError("broken", "path-3 is broken");
    open.add(path);
    await new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    }).finally(() => open.delete(path));
  }, 8);
  await expect(imports.ensure(wanted, scope)).rejects.toThrow("path-3 is broken");
  expect(open.size).toBe(0);
});

test("what another job failed to import is tried by the one that waits for it", async () => {
  let calls = 0;
  const { imports, scope, controller, wanted } = await setUp(async (_facts, { signal }) => {
    calls += 1;
    if (calls > 1) return;
    await new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  }, 1);
  const first = imports.ensure(wanted, scope);
  const second = imports.ensure(wanted, { ...scope, signal: new AbortController().signal });
  await expect.poll(() => calls).toBe(1);
  controller.abort(new Error("cancelled"));
  await expect(first).rejects.toThrow("cancelled");
  await second;
  expect(calls).toBe(2);
});

test("a job that is cancelled does not wait for an import of another job", async () => {
  let finish = (): void => undefined;
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let calls = 0;
  const { imports, scope, controller, wanted } = await setUp(() => {
    calls += 1;
    return done;
  }, 1);
  const first = imports.ensure(wanted, { ...scope, signal: new AbortController().signal });
  await expect.poll(() => calls).toBe(1);
  const second = imports.ensure(wanted, scope);
  controller.abort(new Error("cancelled"));
  await expect(second).rejects.toThrow("cancelled");
  finish();
  await first;
});
