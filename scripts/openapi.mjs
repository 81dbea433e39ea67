import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { runCommand } from "./lib/command.mjs";
import { SetupError } from "./lib/setup-error.mjs";
import { runMain } from "./lib/step.mjs";

const FILE = fileURLToPath(new URL("../docs/gradient-api.yaml", import.meta.url));
const COMMAND = fileURLToPath(
  new URL("../packages/coordinator/bin/gradient-coordinator.js", import.meta.url),
);

/** `npm run openapi`: writes docs/gradient-api.yaml from the built routes. With `--check` it only says whether the file is what they say. */
await runMain(async () => {
  const document = await runCommand(process.execPath, [COMMAND, "openapi", "--yaml"]);
  if (!process.argv.includes("--check")) {
    await writeFile(FILE, document);
    return 0;
  }
  const kept = await readFile(FILE, "utf8").catch(() => "");
  if (kept === document) return 0;
  throw new SetupError(
    "docs/gradient-api.yaml is not what the routes say: run `npm run openapi` and commit the file",
  );
});
