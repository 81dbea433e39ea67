import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildLimits } from "@gradient/protocol";
import type { NixInstallation } from "./installation.ts";
import { readNixConfig } from "./nix-config.ts";

/** A line that sets one of them, or has Nix read another file. */
const MAY_LIMIT = /^\s*(timeout|build-timeout|(build-)?max-silent-time|!?include)\b/m;

/**
 * The limits that Nix's configuration has for every build, as nix-build takes them; null where it has none. Nix is asked only when a file
 * of it may name one: that takes longer than many a build.
 */
export async function readConfiguredLimits({
  environment,
}: Pick<NixInstallation, "environment">): Promise<
  Pick<BuildLimits, "timeoutSeconds" | "maxSilentSeconds">
> {
  const files = await Promise.all(
    configurationFiles(environment).map((file) => readFile(file, "utf8").catch(() => "")),
  );
  const mayLimit = [environment["NIX_CONFIG"] ?? "", ...files].some((text) => MAY_LIMIT.test(text));
  const config = mayLimit ? await readNixConfig(environment) : null;
  const limit = (name: string): number | null => Number(config?.text(name) ?? 0) || null;
  return { timeoutSeconds: limit("timeout"), maxSilentSeconds: limit("max-silent-time") };
}

/** Where Nix looks (nix.conf(5)). */
function configurationFiles(environment: Readonly<Record<string, string>>): string[] {
  const { HOME = "", NIX_CONF_DIR = "/etc/nix", NIX_USER_CONF_FILES: given } = environment;
  const { XDG_CONFIG_HOME = join(HOME, ".config"), XDG_CONFIG_DIRS = "/etc/xdg" } = environment;
  const directories = [XDG_CONFIG_HOME, ...XDG_CONFIG_DIRS.split(":")];
  const ofUser =
    given?.split(":") ?? directories.map((directory) => join(directory, "nix/nix.conf"));
  return [join(NIX_CONF_DIR, "nix.conf"), ...ofUser];
}
