import { Option } from "commander";
import { loadConfig } from "../config/load-config.ts";
import {
  settingKey,
  settingNames,
  settings,
  type Config,
  type Environment,
  type Setting,
  type SettingName,
} from "../config/settings.ts";

const FILE_VARIABLE = "GRADIENT_CONFIG_FILE";

/** A command that takes settings as flags; only what is needed of commander's class. */
interface OptionTaker {
  addOption(option: Option): unknown;
}

/** Adds a flag for each of the settings, and one for the configuration file. */
export function addSettings(
  command: OptionTaker,
  names: readonly SettingName[] = settingNames(),
): void {
  command.addOption(
    new Option(
      "--config <file>",
      `JSON file with settings, keyed by their flags' names [${FILE_VARIABLE}]`,
    ),
  );
  for (const name of names) {
    const setting: Setting = settings[name];
    const hasFallback = setting.fallback !== null && setting.fallback !== "";
    const fallback = hasFallback ? ` (default: ${setting.fallback})` : "";
    const text = `${setting.doc}${fallback} [${setting.variables.join(", ")}]`;
    command.addOption(new Option(`--${settingKey(name)} <${setting.value}>`, text));
  }
}

/** The configuration from flags, environment and file. Throws UserError. */
export function configOf(flags: Readonly<Record<string, unknown>>, env: Environment): Config {
  const named = flags["config"] ?? env[FILE_VARIABLE];
  const file = typeof named === "string" && named !== "" ? named : null;
  return loadConfig({ flags, env, file });
}
