import { Command } from "@commander-js/extra-typings";
import { CommanderError } from "commander";
import { CoordinatorError, UserError } from "../errors.ts";
import { addBackup } from "./backup.ts";
import { addCache } from "./cache.ts";
import { addDoctor } from "./doctor.ts";
import { addFsck } from "./fsck.ts";
import { addGc } from "./gc.ts";
import { addKey } from "./key.ts";
import { addMigrate } from "./migrate.ts";
import { addOpenApi } from "./openapi.ts";
import type { Surroundings } from "./surroundings.ts";
import { addProject } from "./project.ts";
import { addRestore } from "./restore.ts";
import { addServe } from "./serve.ts";
import { addState } from "./state.ts";
import { addUser } from "./user.ts";
import { addWorker } from "./worker.ts";
import { readVersion } from "../version.ts";

/** EX_SOFTWARE of sysexits.h: a bug of ours. */
const BUG_EXIT_CODE = 70;

const EXIT_CODES = `
Exit codes: 0 done; 1 something outside is in the way (port, directory, file, a name that is taken);
2 a flag, setting or value is wrong; 70 a bug.`;

/** Runs one command line and returns the exit code. Writes only to the given streams. */
export async function runCli(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const program = new Command("gradient-coordinator")
    .description("Coordinator of a Nix build farm: queue, facts, HTTP APIs and binary cache.")
    .version(readVersion())
    .addHelpText("after", EXIT_CODES)
    .exitOverride()
    .configureOutput({ writeOut: surroundings.writeOut, writeErr: surroundings.writeErr });
  addServe(program, surroundings);
  addUser(program, surroundings);
  addKey(program, surroundings);
  addWorker(program, surroundings);
  addProject(program, surroundings);
  addCache(program, surroundings);
  addMigrate(program, surroundings);
  addGc(program, surroundings);
  addFsck(program, surroundings);
  addBackup(program, surroundings);
  addRestore(program, surroundings);
  addState(program, surroundings);
  addDoctor(program, surroundings);
  addOpenApi(program, surroundings);
  try {
    await program.parseAsync([...argv], { from: "user" });
    return 0;
  } catch (error) {
    return report(error, surroundings);
  }
}

/** Mistakes get one line, bugs their stack. Commander has written its own message already. */
function report(error: unknown, { writeErr }: Surroundings): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UserError) {
    writeErr(`gradient-coordinator: ${error.message}\n`);
    return error.exitCode;
  }
  if (error instanceof CoordinatorError) {
    writeErr(`gradient-coordinator: ${error.message}\n`);
    return error.status === 400 ? 2 : 1;
  }
  const stack = error instanceof Error ? error.stack : undefined;
  writeErr(`gradient-coordinator: this is a bug\n${stack ?? String(error)}\n`);
  return BUG_EXIT_CODE;
}
