import { settings, type Config, type Setting, type SettingName } from "./settings.ts";

/** Names of the variables, of those that a feature needs together, that are not set. */
export function missingSettings(config: Config, needed: readonly SettingName[]): string[] {
  return needed
    .filter((name) => config[name] === null)
    .flatMap((name) => {
      const setting: Setting = settings[name];
      return setting.variables;
    });
}
