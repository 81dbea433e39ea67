import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { withNixConfig } from "./installation.ts";
import { openSubstituter } from "./substituter.ts";
import { NixFixture } from "./testing/nix-fixture.ts";

test("a substituter that never answers keeps nobody who has given up", async () => {
  await using fixture = await NixFixture.make(process.env);
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : null;
  const drvPath = await fixture.instantiate(`mk "wanted" "echo > $out" { }`);
  const config = [`substituters = http://127.0.0.1:${port}`];
  const environment = withNixConfig(fixture.nix.environment, config);
  await using substituter = openSubstituter({ ...fixture.nix, environment });
  const controller = new AbortController();
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    controller.abort();
  });
  const { signal } = controller;
  try {
    await expect(substituter.missing([drvPath], { onWarning: () => {}, signal })).rejects.toThrow(
      "aborted",
    );
  } finally {
    server.close();
  }
});

/** Processes that work on the store. */
async function workersOn(store: string): Promise<number> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const read = (pid: string) => readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
  const environments = await Promise.all(pids.map(read));
  return environments.filter((text) => text.split("\0").includes(`NIX_REMOTE=${store}`)).length;
}

test("what the first question waits for can be begun before, and goes also when nobody asks", async () => {
  await using fixture = await NixFixture.make(process.env);
  const count = () => workersOn(fixture.nix.environment["NIX_REMOTE"] ?? "");
  const asked = openSubstituter(fixture.nix);
  asked.prepare();
  await expect.poll(count).toBe(1);
  await asked.missing([], { onWarning: () => {}, signal: new AbortController().signal });
  expect(await count()).toBe(1);
  await asked[Symbol.asyncDispose]();
  const unasked = openSubstituter(fixture.nix);
  unasked.prepare();
  await unasked[Symbol.asyncDispose]();
  await expect.poll(count).toBe(0);
});
