import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stateWithSecrets } from "../state/secret-files.test-support.ts";
import { CommandLine } from "./cli.test-support.ts";

const PAGE = new URL("../../../../docs/operations.md", import.meta.url);

let line: CommandLine;

beforeAll(async () => {
  line = new CommandLine();
  const { state } = await stateWithSecrets(line);
  const dataDir = join(line.directory, "lib", "gradient");
  await line.done(["state", "apply", line.json(state), "--data-dir", dataDir]);
  // So that the page may change what it shows.
  const release = ["--data-dir", dataDir, "--delete-state", "false"];
  await line.done(["state", "apply", line.json({}), ...release]);
});
afterAll(() => line[Symbol.dispose]());

/** Every line with a prompt of the page's console blocks. */
function commandsOf(page: string): string[] {
  const blocks = page.matchAll(/^```console\n(.*?)^```$/gms);
  return Array.from(blocks, ([, block = ""]) => block.split("\n"))
    .flat()
    .flatMap((text) => (text.startsWith("$ ") ? [text.slice(2)] : []));
}

test("every command of docs/operations.md works as it stands, one after the other", async () => {
  const password = line.file("Seven-otters-4-tea\n");
  const commands = commandsOf(readFileSync(PAGE, "utf8"));
  expect(commands.length).toBeGreaterThan(20);
  const env: Record<string, string> = {};
  for (const command of commands) {
    const here = command
      .replaceAll("/var/", `${line.directory}/`)
      .replace("--password-file password", `--password-file ${password}`);
    const [program = "", ...args] = here.split(" ");
    if (program === "export") {
      const [name = "", value = ""] = (args[0] ?? "").split("=");
      env[name] = value;
      continue;
    }
    expect(program).toBe("gradient-coordinator");
    const { exitCode, err } = await line.run(args, { env });
    expect([command, exitCode, exitCode === 0 ? "" : err]).toEqual([command, 0, ""]);
  }
});
