import { UserError } from "../errors.ts";
import { settingNames, settings, type Config, type Setting, type SettingName } from "./settings.ts";
import { readSources, type Found, type Sources } from "./sources.ts";

/** Reads all sources and validates them. Throws UserError that names the source of the first wrong value. */
export function loadConfig(sources: Sources): Config {
  const found = readSources(sources);
  const values = settingNames().map((name) => [name, parseSetting(name, found.get(name))] as const);
  // The table's own schemas made every value, so the collected object has the table's type.
  return Object.freeze(Object.fromEntries(values)) as unknown as Config;
}

function parseSetting(name: SettingName, found: Found | undefined): unknown {
  const setting: Setting = settings[name];
  const text = found?.text ?? setting.fallback;
  if (text === null) return null;
  const parsed = setting.schema.safeParse(text);
  if (parsed.success) return parsed.data;
  const origin = found?.origin ?? `default of ${name}`;
  throw new UserError(
    `${origin}: ${parsed.error.issues[0]?.message ?? "wrong value"} (got "${text}")`,
  );
}
