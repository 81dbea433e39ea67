import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** A command ended with a code other than 0. `output` is all that it printed. */
export class CommandError extends Error {
  name = "CommandError";

  constructor(commandLine, outcome, output) {
    super(`${commandLine}: ${outcome}`);
    this.output = output;
  }
}

/**
 * Runs a command with nothing on its standard input and resolves to all that it printed.
 * Throws a CommandError when it cannot be started or does not end with 0.
 */
export function runCommand(command, args, { cwd, env = process.env } = {}) {
  const commandLine = [command, ...args].join(" ");
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    const chunks = [];
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.stderr.on("data", (chunk) => chunks.push(chunk));
    child.on("error", (cause) => reject(new CommandError(commandLine, cause.message, "")));
    child.on("close", (code, signal) => {
      const output = Buffer.concat(chunks).toString();
      if (code === 0) resolve(output);
      else reject(new CommandError(commandLine, signal ?? `exit code ${code}`, output));
    });
  });
}

/** Where a program lies: the first hit on PATH, or undefined. */
export function findProgram(name, path = process.env.PATH ?? "") {
  return path
    .split(delimiter)
    .filter((directory) => directory !== "")
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
