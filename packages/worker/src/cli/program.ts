import { Command, CommanderError, Option } from "@commander-js/extra-typings";
import type { ConfigSources } from "../config/load.ts";
import { CONFIG_FILE, SETTINGS, type SettingKey } from "../config/settings.ts";
import { readRelease } from "../config/release.ts";
import { UserError, WorkerError } from "../errors.ts";
import { ProcessError } from "../process/process-error.ts";
import { addBuildOptions } from "./build-options.ts";
import { addEvalOptions, joinPairs } from "./expression-options.ts";
import { adviceForOption } from "./nix-options.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What a command gets. */
export interface Invocation {
  readonly sources: ConfigSources;
  readonly environment: Environment;
  /** Values of the command's own options, by commander's names. */
  readonly options: Readonly<Record<string, unknown>>;
  /** What stands on the command line beside options. */
  readonly operands: readonly string[];
}

interface CommandPlan {
  readonly name: string;
  readonly description: string;
  /** The settings that it heeds. */
  readonly settings: readonly SettingKey[];
  /** Adds what is no setting. */
  readonly extend?: (command: Command) => unknown;
  /** Resolves to the exit code; nothing is 0. */
  readonly action: (invocation: Invocation) => Promise<number | void>;
}

const EVALUATION_SETTINGS = ["evalTimeoutSeconds", "evalForkWorkers", "maxEvalRssBytes"] as const;

const RUN_HELP = `
SIGTERM and SIGINT let running jobs finish for the grace; a second one ends them at once. After SIGHUP builds go on, and
the next run takes them over.
`;

/** What a command needs is loaded with it: the libraries of the daemon take longer to load than most commands to run. */
const COMMANDS: readonly CommandPlan[] = [
  {
    name: "run",
    description: "serve a coordinator until SIGTERM",
    settings: SETTINGS.map(({ key }) => key),
    extend: (command) => command.addHelpText("after", RUN_HELP),
    action: async (invocation) => (await import("./run.ts")).run(invocation),
  },
  {
    name: "build",
    description: "evaluate, build, measure and sign on this machine, without a coordinator",
    settings: ["stateDir", "store", "maxConcurrentBuilds", ...EVALUATION_SETTINGS],
    extend: addBuildOptions,
    action: async (invocation) => (await import("./build.ts")).build(invocation),
  },
  {
    name: "eval",
    description:
      "print the derivations of an expression as they are evaluated; builds only what evaluation imports from",
    settings: ["stateDir", "store", ...EVALUATION_SETTINGS],
    extend: addEvalOptions,
    action: async (invocation) => (await import("./eval.ts")).evaluate(invocation),
  },
  {
    name: "status",
    description: "show what the worker of this machine does",
    settings: ["stateDir"],
    extend: (command) => command.option("--json", "print one JSON document"),
    action: async (invocation) => (await import("./status.ts")).printStatus(invocation),
  },
  {
    name: "drain",
    description: "let the worker of this machine finish what it does, take nothing new, and end",
    settings: ["stateDir"],
    extend: (command) =>
      command.option(
        "--wait",
        "until it has ended; exit code 1 when it was stopped before it was done",
      ),
    action: async (invocation) => (await import("./drain.ts")).drain(invocation),
  },
  {
    name: "id",
    description: "print the worker's id, which organizations register; makes one at the first call",
    settings: ["stateDir", "workerId"],
    action: async (invocation) => (await import("./id.ts")).printWorkerId(invocation),
  },
  {
    name: "check",
    description:
      "look at this machine as a worker would, and say what to change; exit code 0 when a worker can run",
    settings: SETTINGS.map(({ key }) => key),
    extend: (command) => command.option("--json", "print one JSON object"),
    action: async (invocation) => (await import("./check.ts")).check(invocation),
  },
];

/** Runs the command line. Resolves to the process's exit code; tells what went wrong on standard error. */
export async function main(
  argv: readonly string[],
  environment: Environment = process.env,
): Promise<number> {
  const state = { exitCode: 0 };
  // Without a listener the process would end where it stands once nobody reads what it says of its progress, or its help.
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.listenerCount("error") === 0) stream.on("error", () => {});
  }
  try {
    await createProgram(environment, state).parseAsync(joinPairs(argv));
    return state.exitCode;
  } catch (error) {
    // Help, and mistakes in flags: commander has printed its text already.
    if (error instanceof CommanderError) {
      process.stderr.write(adviceFor(error, argv[2]));
      return error.exitCode;
    }
    process.stderr.write(`gradient-worker: ${describe(error)}\n`);
    return error instanceof UserError ? error.exitCode : 1;
  }
}

/** What to do in place of an option that `nix-build` has; a line, or nothing. */
function adviceFor({ message }: CommanderError, command: string | undefined): string {
  const option = /unknown option '([^']+)'/.exec(message)?.[1];
  if (option === undefined || (command !== "build" && command !== "eval")) return "";
  const advice = adviceForOption(option);
  return advice === null ? "" : `${advice}\n`;
}

/** A stack is for faults of ours alone. */
function describe(error: unknown): string {
  // Nix, which is not there or cannot be used by this user.
  if (error instanceof ProcessError) {
    return `${error.message} ('gradient-worker check' says what to change)`;
  }
  if (error instanceof WorkerError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function createProgram(environment: Environment, state: { exitCode: number }): Command {
  const program = new Command("gradient-worker")
    .description(
      "fetches, evaluates, builds, measures, signs and uploads; alone or for a coordinator",
    )
    .version(readRelease())
    .exitOverride();
  for (const plan of COMMANDS) {
    const command = program.command(plan.name).description(plan.description);
    plan.extend?.(command);
    const { flag, value, doc, env } = CONFIG_FILE;
    command.addOption(new Option(`${flag} <${value}>`, `${doc} (env: ${env})`));
    const attributes = addSettings(command, plan.settings);
    command.action(async () => {
      const invocation = invocationOf(command, attributes, environment);
      state.exitCode = (await plan.action(invocation)) ?? 0;
    });
  }
  return program;
}

function invocationOf(
  command: Command,
  attributes: ReadonlyMap<SettingKey, string>,
  environment: Environment,
): Invocation {
  const options: Readonly<Record<string, unknown>> = command.opts();
  const flags: Partial<Record<SettingKey, string>> = {};
  for (const [key, attribute] of attributes) {
    const value = options[attribute];
    if (typeof value === "string") flags[key] = value;
  }
  const file = options["config"];
  const configFile = typeof file === "string" ? file : undefined;
  const operands = command.processedArgs.filter((each) => typeof each === "string");
  return { environment, sources: { flags, env: environment, configFile }, options, operands };
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
