import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { programFile } from "../../packages/worker/bin/compiled.js";
import { bundleWorker } from "./bundle.mjs";
import { runCommand } from "./command.mjs";
import { root } from "./layout.mjs";

const COMPILED = `${root}/packages/worker/dist/cli/program.js`;

test(
  "the bundle is the compiled command line, but for the daemon",
  { timeout: 60_000 },
  async () => {
    expect(existsSync(COMPILED), "run npm run build first").toBe(true);
    await bundleWorker(root);
    const bundled = fileURLToPath(programFile("eval"));
    expect(bundled).toBe(`${root}/packages/worker/dist/bundle/program.js`);
    expect(fileURLToPath(programFile("run"))).toBe(COMPILED);
    for (const command of ["eval", "build", "check", "status", "drain", "id", "run"]) {
      const help = await helpOf(COMPILED, command);
      expect(help).toContain(command);
      expect(await helpOf(bundled, command)).toBe(help);
    }
  },
);

function helpOf(file, command) {
  const code = `const { main } = await import(${JSON.stringify(file)}); await main(["node", "gradient-worker", ${JSON.stringify(command)}, "--help"]);`;
  return runCommand(process.execPath, ["--input-type=module", "--eval", code]);
}
