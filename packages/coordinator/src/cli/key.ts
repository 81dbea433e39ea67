import type { Command } from "@commander-js/extra-typings";
import { addKeyCreate } from "./key-create.ts";
import { addKeyList } from "./key-list.ts";
import { addKeyRevoke } from "./key-revoke.ts";
import type { Surroundings } from "./surroundings.ts";

/** `key ...`: API keys of users. */
export function addKey(program: Command, surroundings: Surroundings): void {
  const key = program
    .command("key")
    .description("API keys; these commands work while the coordinator runs, too");
  addKeyList(key, surroundings);
  addKeyCreate(key, surroundings);
  addKeyRevoke(key, surroundings);
}
