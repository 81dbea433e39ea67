import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runInForeground } from "./foreground.mjs";
import { installedProgram, root } from "./layout.mjs";
import { countTests } from "./test-counts.mjs";

/** Runs vitest on this terminal, with further arguments, and resolves to `{ passed, failed }`. */
export async function runTests(args) {
  const directory = await mkdtemp(join(tmpdir(), "gradient-tests-"));
  const file = join(directory, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  try {
    const exitCode = await runInForeground(
      installedProgram("vitest"),
      ["run", ...reporters, ...args],
      { cwd: root },
    );
    const report = await readFile(file, "utf8").then(JSON.parse, () => undefined);
    return countTests(report, exitCode);
  } finally {
    await rm(directory, { recursive: true });
  }
}
