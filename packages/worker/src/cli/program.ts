import { Command, CommanderError, Option } from "@commander-js/extra-typings";
import type { ConfigSources } from "../config/load.ts";
import { CONFIG_FILE, SETTINGS, type SettingKey } from "../config/settings.ts";
import { UserError } from "../errors.ts";
import { check } from "./check.ts";
import { printWorkerId } from "./id.ts";
import { run } from "./run.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What a command gets. */
export interface Invocation {
  readonly sources: ConfigSources;
  readonly environment: Environment;
  /** For commands that have `--json`. */
  readonly isJson: boolean;
}

/** Runs the command line. Resolves to the process's exit code; tells what went wrong on standard error. */
export async function main(
  argv: readonly string[],
  environment: Environment = process.env,
): Promise<number> {
  try {
    let exitCode = 0;
    const program = createProgram(environment, (code) => {
      exitCode = code;
    });
    await program.parseAsync(argv);
    return exitCode;
  } catch (error) {
    // Help, and mistakes in flags: commander has printed its text already.
    if (error instanceof CommanderError) return error.exitCode;
    process.stderr.write(`gradient-worker: ${describe(error)}\n`);
    return error instanceof UserError ? error.exitCode : 1;
  }
}

function describe(error: unknown): string {
  if (error instanceof UserError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function createProgram(environment: Environment, exit: (code: number) => void): Command {
  const program = new Command("gradient-worker")
    .description("fetches, evaluates, builds, measures, signs and uploads for a coordinator")
    .exitOverride();
  const all = SETTINGS.map(({ key }) => key);
  addCommand(program, "run", "serve a coordinator until SIGTERM", all, (invocation) =>
    run(invocation),
  );
  addCommand(
    program,
    "id",
    "print the worker's id, which organizations register; makes one at the first call",
    ["stateDir", "workerId"],
    printWorkerId,
  );
  addCommand(
    program,
    "check",
    "look at this machine as a worker would, and say what to change; exit code 0 when a worker can run",
    all,
    async (invocation) => exit(await check(invocation)),
  ).option("--json", "print one JSON object");
  return program;

  function addCommand(
    parent: Command,
    name: string,
    description: string,
    keys: readonly SettingKey[],
    action: (invocation: Invocation) => Promise<void>,
  ): Command {
    const command = parent.command(name).description(description);
    command.addOption(
      new Option(
        `${CONFIG_FILE.flag} <${CONFIG_FILE.value}>`,
        `${CONFIG_FILE.doc} (env: ${CONFIG_FILE.env})`,
      ),
    );
    const options = addSettings(command, keys);
    command.action(async () => {
      const flags: Partial<Record<SettingKey, string>> = {};
      const given = command.opts() as Readonly<Record<string, string | undefined>>;
      const isJson = "json" in given;
      for (const [key, attribute] of options) {
        const value = given[attribute];
        if (value !== undefined) flags[key] = value;
      }
      await action({
        environment,
        isJson,
        sources: { flags, env: environment, configFile: given["config"] },
      });
    });
    return command;
  }
}

/** Adds a flag for each setting; settings without one are told of below the others. Resolves keys to commander's names. */
function addSettings(command: Command, keys: readonly SettingKey[]): Map<SettingKey, string> {
  const attributes = new Map<SettingKey, string>();
  const withoutFlag: string[] = [];
  for (const { key, flag, value, env, doc, fallback } of SETTINGS) {
    if (!keys.includes(key)) continue;
    const end = fallback === null ? "" : `; default: ${fallback}`;
    const places = `(env: ${env}, key: ${key}${end})`;
    if (flag === null) {
      withoutFlag.push(`  ${doc} ${places}`);
      continue;
    }
    const option = new Option(`${flag} <${value}>`, `${doc} ${places}`);
    command.addOption(option);
    attributes.set(key, option.attributeName());
  }
  if (withoutFlag.length > 0) {
    command.addHelpText("after", `\nWithout a flag, as it is secret:\n${withoutFlag.join("\n")}\n`);
  }
  return attributes;
}
