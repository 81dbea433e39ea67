import { loadIdentityConfig } from "../config/load.ts";
import { askStatus } from "../status/client.ts";
import { statusLines } from "../status/status-text.ts";
import type { Invocation } from "./program.ts";
import { writeOut } from "./standard-output.ts";

/** Prints how the worker of this state directory is. */
export async function printStatus({ sources, options }: Invocation): Promise<void> {
  const { stateDir } = loadIdentityConfig(sources);
  const status = await askStatus(stateDir);
  const text =
    options["json"] === true ? JSON.stringify(status) : statusLines(status, Date.now()).join("\n");
  await writeOut(`${text}\n`);
}
