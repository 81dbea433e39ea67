import { readFileSync } from "node:fs";
import { z } from "zod";
import { UserError } from "../errors.ts";
import {
  settingKey,
  settingNames,
  settings,
  type Environment,
  type Setting,
  type SettingName,
} from "./settings.ts";

/** Text of a setting and where it was found, for the message when it is wrong. */
export interface Found {
  text: string;
  origin: string;
}

export interface Sources {
  /** By setting name, as the command line had them. */
  flags: Readonly<Record<string, unknown>>;
  env: Environment;
  /** Configuration file, JSON with one object. */
  file: string | null;
}

const fileSchema = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]),
);
type FileValues = z.infer<typeof fileSchema>;

/** Collects the text of every setting: flag before environment before file. Throws UserError for a file that cannot be used. */
export function readSources(sources: Sources): Map<SettingName, Found> {
  const fileValues = sources.file === null ? {} : readConfigFile(sources.file);
  const found = new Map<SettingName, Found>();
  for (const name of settingNames()) {
    const hit =
      fromFlag(name, sources.flags) ??
      fromEnvironment(settings[name], sources.env) ??
      fromFile(name, fileValues, sources.file);
    if (hit !== null) found.set(name, hit);
  }
  return found;
}

function fromFlag(name: SettingName, flags: Sources["flags"]): Found | null {
  const text = flags[name];
  return typeof text === "string" ? { text, origin: `--${settingKey(name)}` } : null;
}

function fromEnvironment(setting: Setting, env: Environment): Found | null {
  // An empty variable counts as unset, as shells and unit files make them by accident.
  const filled = Object.fromEntries(
    setting.variables.map((name) => [name, env[name] || undefined]),
  );
  const text = setting.fromVariables?.(filled) ?? filled[setting.variables[0] ?? ""];
  return text === undefined ? null : { text, origin: setting.variables.join(" and ") };
}

function fromFile(name: SettingName, values: FileValues, file: string | null): Found | null {
  const value = values[settingKey(name)];
  if (value === undefined) return null;
  const text = Array.isArray(value) ? value.join(",") : String(value);
  return { text, origin: `"${settingKey(name)}" in ${file}` };
}

function readConfigFile(file: string): FileValues {
  let content: string;
  try {
    content = readFileSync(file, "utf8");
  } catch (cause) {
    throw new UserError(`configuration file ${file} cannot be read`, { cause });
  }
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch (cause) {
    throw new UserError(`configuration file ${file} is not JSON`, { cause });
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) {
    throw new UserError(
      `configuration file ${file} has to hold one object of settings: ${z.prettifyError(parsed.error)}`,
    );
  }
  const known = new Set(settingNames().map(settingKey));
  const unknown = Object.keys(parsed.data).find((key) => !known.has(key));
  if (unknown !== undefined) {
    throw new UserError(`configuration file ${file} has the unknown setting "${unknown}"`);
  }
  return parsed.data;
}
