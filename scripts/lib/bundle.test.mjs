import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { BUNDLE, isBundleCurrent } from "../../packages/worker/bin/compiled.js";
import { bundleWorker } from "./bundle.mjs";
import { runCommand } from "./command.mjs";
import { root } from "./layout.mjs";

const COMPILED = `${root}/packages/worker/dist/cli/program.js`;
const LOADER = `${root}/packages/worker/bin/bundle.js`;
const BUNDLED = `new (await import(${JSON.stringify(LOADER)})).Bundle(${JSON.stringify(BUNDLE)})`;

test(
  "the bundle is the compiled command line, but for the daemon",
  { timeout: 60_000 },
  async () => {
    expect(existsSync(COMPILED), "run npm run build first").toBe(true);
    await bundleWorker(root);
    expect(isBundleCurrent()).toBe(true);
    for (const command of ["eval", "build", "check", "status", "drain", "id", "run"]) {
      const help = await helpOf(`(await import(${JSON.stringify(COMPILED)}))`, command);
      expect(help).toContain(command);
      expect(await helpOf(`(${BUNDLED}).load("program.js")`, command)).toBe(help);
    }
  },
);

test("V8 takes what it compiled before, and compiles what it does not take", async () => {
  await bundleWorker(root);
  const code = `const bundle = ${BUNDLED};
    await bundle.load("program.js").main(["node", "gradient-worker", "id", "--help"]);
    console.log("files compiled:", bundle.code().filter(({ isNew }) => isNew).length);`;
  expect(await run(code)).toMatch(/^Usage[^]*files compiled: 0\n$/);
  expect(await run(code, "--no-opt")).toMatch(/^Usage[^]*files compiled: [1-9]\d*\n$/);
});

function helpOf(program, command) {
  return run(
    `await ${program}.main(["node", "gradient-worker", ${JSON.stringify(command)}, "--help"]);`,
  );
}

/** In a process of its own: V8 takes what was compiled with the same flags. */
function run(code, ...flags) {
  return runCommand(process.execPath, [...flags, "--input-type=module", "--eval", code]);
}
