import { readFileSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { LOG_LEVELS } from "../log-levels.ts";
import { workingDirectory } from "../working-directory.ts";
import { CONFIG_FILE, DEFAULT_STATE_DIRECTORY, SETTINGS, type SettingKey } from "./settings.ts";

const flag = z.union(
  [
    z.boolean(),
    z.stringbool({ truthy: ["true", "1", "yes", "on"], falsy: ["false", "0", "no", "off"] }),
  ],
  { error: "it has to be true or false" },
);

const list = z.union([
  z.array(z.string().min(1)),
  z.string().transform((text) =>
    text
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== ""),
  ),
]);

/** Names of Nix: a blank within one is a comma that was forgotten. */
const names = list.refine((items) => !items.some((item) => /\s/.test(item)), {
  error: "its names have to be separated by commas",
});

function wholeNumber(min: number, max: number) {
  const error = `it has to be a whole number from ${min} to ${max}`;
  return z.coerce.number<unknown>({ error }).int({ error }).min(min, { error }).max(max, { error });
}

const ENV_PREFIX = "GRADIENT_WORKER_";

/** Below this, Nix itself would not get to the first attribute. */
const MIN_EVAL_RSS_BYTES = 64 * 1024 * 1024;
const count = wholeNumber(1, 10_000);
/** 24 days: a timer of Node that is set for longer fires at once. */
const MAX_SECONDS = 24 * 86_400;
const file = z
  .string()
  .min(1)
  .transform((path) => (isAbsolute(path) ? resolve(path) : resolve(workingDirectory(), path)));

const configSchema = z.object({
  server: z.string().transform(parseServer),
  peersFile: file.nullable().default(null),
  peers: z.string().nullable().default(null),
  stateDir: file.default(DEFAULT_STATE_DIRECTORY),
  workerId: z.string().nullable().default(null),
  capabilityFetch: flag.default(true),
  capabilityEval: flag.default(true),
  capabilityBuild: flag.default(true),
  maxConcurrentBuilds: count.nullable().default(null),
  systems: names
    .refine((items) => items.length > 0, { error: "it names no system" })
    .nullable()
    .default(null),
  systemFeatures: names.nullable().default(null),
  store: z.string().min(1).nullable().default(null),
  localRepositories: list.default([]),
  gitCredentials: file.nullable().default(null),
  evalTimeoutSeconds: wholeNumber(1, MAX_SECONDS).default(3600),
  evalForkWorkers: count.nullable().default(null),
  maxEvalRssBytes: wholeNumber(MIN_EVAL_RSS_BYTES, Number.MAX_SAFE_INTEGER)
    .nullable()
    .default(null),
  shutdownGraceSeconds: wholeNumber(0, MAX_SECONDS).default(60),
  metricsListen: z.string().transform(parseListen).nullable().default(null),
  logLevel: z.enum(LOG_LEVELS).default("info"),
} satisfies Record<SettingKey, z.ZodType>);

const checkSchema = configSchema.extend({
  server: configSchema.shape.server.nullable().default(null),
});
const identitySchema = configSchema.pick({ stateDir: true, workerId: true });

const aloneSchema = configSchema
  .pick({
    store: true,
    maxConcurrentBuilds: true,
    evalTimeoutSeconds: true,
    evalForkWorkers: true,
    maxEvalRssBytes: true,
  })
  .extend({ stateDir: file.nullable().default(null) });

/** Settings of the daemon. null where the machine decides. */
export type WorkerConfig = Readonly<z.infer<typeof configSchema>>;

/** Settings of the daemon, of which none has to be given. */
export type CheckConfig = Readonly<z.infer<typeof checkSchema>>;

/** The settings that `gradient-worker id` needs. */
export type IdentityConfig = Readonly<z.infer<typeof identitySchema>>;

/** The settings of commands that work without a coordinator. null where the machine decides. */
export type AloneConfig = Readonly<z.infer<typeof aloneSchema>>;

export interface ConfigSources {
  /** Values of flags, by setting. */
  readonly flags: Partial<Record<SettingKey, string>>;
  readonly configFile: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** How the daemon ends over a setting: whoever starts it again and again need not (`RestartPreventExitStatus` of its unit). */
const WRONG_SETTING = 2;

/**
 * Reads file, environment and flags. Throws UserError that names the setting and where its value came from, with an exit code
 * of its own.
 */
export function loadConfig(sources: ConfigSources): WorkerConfig {
  try {
    const config = parse(configSchema, sources);
    if (config.peersFile !== null || config.peers !== null) return Object.freeze(config);
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    throw new UserError(cause.code, cause.message, { exitCode: WRONG_SETTING, cause });
  }
  throw new UserError(
    "no-peers",
    "no tokens are given: name a peers file with --peers-file or GRADIENT_WORKER_PEERS_FILE",
    { exitCode: WRONG_SETTING },
  );
}

/** As `loadConfig`, for a look at what is configured. */
export function loadCheckConfig(sources: ConfigSources): CheckConfig {
  return Object.freeze(parse(checkSchema, sources));
}

/** As `loadConfig`, for what needs no coordinator. */
export function loadIdentityConfig(sources: ConfigSources): IdentityConfig {
  return Object.freeze(parse(identitySchema, sources));
}

/** As `loadConfig`, for commands that work without a coordinator. */
export function loadAloneConfig(sources: ConfigSources): AloneConfig {
  return Object.freeze(parse(aloneSchema, sources));
}

/** Variables that look like settings and are none: misspelt, or of another program. */
export function unknownVariables(env: ConfigSources["env"]): string[] {
  const known = new Set<string>([CONFIG_FILE.env, ...SETTINGS.map((setting) => setting.env)]);
  return Object.keys(env).filter((name) => name.startsWith(ENV_PREFIX) && !known.has(name));
}

function parse<T>(schema: z.ZodType<T>, sources: ConfigSources): T {
  const given = gather(sources);
  const values = Object.fromEntries([...given].map(([key, { value }]) => [key, value]));
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const setting = SETTINGS.find(({ key }) => key === issue?.path[0]);
  if (!setting || !issue) throw parsed.error;
  const source = given.get(setting.key);
  const problem = source
    ? `${source.name} is not usable: ${issue.message}`
    : `${setting.key} is missing (${setting.doc})`;
  const ways = setting.flag === null ? setting.env : `${setting.flag} or ${setting.env}`;
  throw new UserError("bad-setting", `${problem}; set ${ways} to ${setting.value}`, {
    cause: parsed.error,
  });
}

interface Given {
  value: unknown;
  /** How to name the source to whoever set it. */
  name: string;
}

function gather({ flags, configFile, env }: ConfigSources): Map<SettingKey, Given> {
  const path = configFile ?? env[CONFIG_FILE.env];
  const fromFile = path === undefined ? {} : readConfigFile(path);
  const given = new Map<SettingKey, Given>();
  for (const setting of SETTINGS) {
    const fromEnv = env[setting.env];
    const fromFlag = flags[setting.key];
    if (fromFlag !== undefined && setting.flag !== null) {
      given.set(setting.key, { value: fromFlag, name: setting.flag });
    } else if (fromEnv !== undefined && fromEnv !== "") {
      given.set(setting.key, { value: fromEnv, name: setting.env });
    } else if (fromFile[setting.key] !== undefined) {
      given.set(setting.key, { value: fromFile[setting.key], name: `'${setting.key}' in ${path}` });
    }
  }
  return given;
}

function readConfigFile(path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UserError("bad-config-file", `cannot read config file ${path}: ${why}`, { cause });
  }
  const parsed = z.record(z.string(), z.unknown()).safeParse(value);
  if (!parsed.success) {
    throw new UserError("bad-config-file", `config file ${path} has to be one JSON object`);
  }
  const known = new Set<string>(SETTINGS.map(({ key }) => key));
  const foreign = Object.keys(parsed.data).find((key) => !known.has(key));
  if (foreign !== undefined) {
    throw new UserError(
      "bad-config-file",
      `config file ${path} has the unknown key '${foreign}'; known are ${[...known].join(", ")}`,
    );
  }
  return parsed.data;
}

const SOCKET_PROTOCOLS: Readonly<Record<string, string>> = {
  "ws:": "ws:",
  "wss:": "wss:",
  "http:": "ws:",
  "https:": "wss:",
};

/** Address of the worker link: any of the four schemes, and `/proto` unless a path is given. */
function parseServer(text: string, context: z.RefinementCtx): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const protocol = url === null ? undefined : SOCKET_PROTOCOLS[url.protocol];
  if (url === null || protocol === undefined) {
    context.addIssue({ code: "custom", message: `'${text}' is no ws, wss, http or https URL` });
    return z.NEVER;
  }
  // Assigning `protocol` does nothing between special and other schemes: make the URL anew.
  const address = new URL(`${protocol}//${url.host}${url.pathname}`);
  if (address.pathname === "/") address.pathname = "/proto";
  return address;
}

/** `127.0.0.1:9100`, `[::1]:9100`; port 0 is any that is free. */
function parseListen(text: string, context: z.RefinementCtx): { host: string; port: number } {
  const [, bracketed, plain, digits = ""] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535) {
    context.addIssue({ code: "custom", message: `'${text}' is no address and port` });
    return z.NEVER;
  }
  return { host, port };
}
