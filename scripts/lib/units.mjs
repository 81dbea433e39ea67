import { join } from "node:path";
import { runCommand } from "./command.mjs";

/** The files of systemd/ as systemd/default.nix has them, by their names. */
export async function renderUnits(root) {
  const argv = ["--eval", "--strict", "--json", join(root, "systemd")];
  return JSON.parse(await runCommand("nix-instantiate", argv));
}
