import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./layout.mjs";

const module = JSON.stringify(join(root, "scripts/lib/foreground.mjs"));

/** Starts a Node of its own that runs a script in the foreground of itself, with pipes and so without a terminal. */
function start(script) {
  const main = `import { runInForeground } from ${module};
    process.exitCode = await runInForeground(process.execPath, ["-e", ${JSON.stringify(script)}]);`;
  return spawn(process.execPath, ["--input-type=module", "-e", main], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

test("the exit code of the command is ours", async () => {
  const [code] = await once(start("process.exit(7)"), "close");
  expect(code).toBe(7);
});

test.each(["SIGINT", "SIGTERM", "SIGHUP"])(
  "%s reaches the command, which ends as it likes",
  async (signal) => {
    const waiting = `process.on("${signal}", () => { process.exitCode = 9; clearInterval(timer); });
    const timer = setInterval(() => {}, 1000); console.log("ready")`;
    const child = start(waiting);
    await once(child.stdout, "data");
    child.kill(signal);
    const [code] = await once(child, "close");
    expect(code).toBe(9);
  },
);

test("a command that a signal ended gives 128 and the signal's number, as shells do", async () => {
  const child = start(`console.log("ready"); setInterval(() => {}, 1000)`);
  await once(child.stdout, "data");
  child.kill("SIGTERM");
  const [code] = await once(child, "close");
  expect(code).toBe(143);
});
