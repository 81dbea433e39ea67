import { isIP } from "node:net";
import { z } from "zod";
import { LOG_LEVELS } from "../logger.ts";
import { addressRangeSchema } from "../rules/address.ts";
import { emailSettings, oidcSettings } from "./account-settings.ts";
import { objectStoreSchema } from "./object-store.ts";
import { fileSchema, switchSchema } from "./setting-schemas.ts";

/**
 * Every setting of the daemon, once. Parsing, validation and `--help` come from this table. The key in camel case names the property of
 * the configuration; in kebab case it is the flag and the key in the configuration file. All sources deliver text; the schema makes the value.
 */
export interface Setting {
  /** What stands behind the flag in `--help`. */
  value: string;
  /** Environment variables that it is read from. */
  variables: readonly string[];
  /** Puts several variables together; without it there is one variable and its text is the value. */
  fromVariables?: (env: Environment) => string | undefined;
  schema: z.ZodType;
  /** Text that is used when no source has any; null means the setting may stay unset. */
  fallback: string | null;
  doc: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const listenSchema = z.string().transform((text, context) => {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<host>[^:[\]]+)):(?<port>\d{1,5})$/.exec(text);
  const host = match?.groups?.["v6"] ?? match?.groups?.["host"];
  const port = Number(match?.groups?.["port"]);
  if (host === undefined || port > 65535) {
    context.addIssue({
      code: "custom",
      message: "expected HOST:PORT, for instance 127.0.0.1:3000 or [::1]:3000",
    });
    return z.NEVER;
  }
  return { host, port };
});

const serveUrlSchema = z
  .url({ protocol: /^https?$/, error: "expected a URL that starts with http:// or https://" })
  .transform((text) => text.replace(/\/+$/, ""));

const sizeSchema = z.string().transform((text, context) => {
  const match = /^(\d{1,12})(K|M|G)?(?:i?B)?$/.exec(text);
  const factor = { K: 1024, M: 1024 ** 2, G: 1024 ** 3 }[match?.[2] ?? ""] ?? 1;
  const bytes = Number(match?.[1]) * factor;
  if (match === null || bytes < 1024) {
    context.addIssue({
      code: "custom",
      message: "expected a size of at least 1024 bytes, for instance 2097152 or 2M",
    });
    return z.NEVER;
  }
  return bytes;
});

const wholeSchema = (unit: string, min: number, max: number) => {
  const error = `expected whole ${unit} from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,10}$/, error)
    .transform(Number)
    .pipe(z.number().min(min, error).max(max, error));
};

const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: `expected one of ${values.join(", ")}` });

/** First words of paths that others have. */
const TAKEN =
  /^\/(?:api|cache|proto|account|builds|usage|build|output|jobset|jobsets|eval|metrics)(?:\/|$)/;

const nixbuildPrefixSchema = z
  .string()
  .regex(/^(?:\/[A-Za-z0-9._~-]+)+$/, "expected a path such as /nixbuild")
  .refine((path) => !TAKEN.test(path), "that path is taken by another API or by pages");

const addressListSchema = z
  .string()
  .transform((text) => text.split(",").filter((part) => part.trim() !== ""))
  .pipe(z.array(addressRangeSchema));

const createPermissionSchema = oneOf(["none", "superusers", "everyone"]);

function listenFromVariables(env: Environment): string | undefined {
  const host = env["GRADIENT_IP"];
  const port = env["GRADIENT_PORT"];
  if (host === undefined && port === undefined) return undefined;
  const address = host ?? "127.0.0.1";
  return `${isIP(address) === 6 ? `[${address}]` : address}:${port ?? "3000"}`;
}

export const settings = {
  dataDir: {
    value: "dir",
    variables: ["GRADIENT_BASE_PATH"],
    schema: z.string().min(1, "expected a directory"),
    fallback: ".",
    doc: "directory of everything that is kept: farm.sqlite, keys, NARs, logs",
  },
  listen: {
    value: "host:port",
    variables: ["GRADIENT_IP", "GRADIENT_PORT"],
    fromVariables: listenFromVariables,
    schema: listenSchema,
    fallback: "127.0.0.1:3000",
    doc: "address to listen on; port 0 takes a free one",
  },
  serveUrl: {
    value: "url",
    variables: ["GRADIENT_SERVE_URL"],
    schema: serveUrlSchema,
    fallback: null,
    doc: "URL under which users reach this server; names the keys of new caches; https makes cookies Secure (default: http:// and the listen address)",
  },
  frontendUrl: {
    value: "url",
    variables: ["GRADIENT_FRONTEND_URL"],
    schema: serveUrlSchema,
    fallback: null,
    doc: "URL of pages that are served from elsewhere and call the API with their users' credentials",
  },
  jwtSecretFile: {
    value: "file",
    variables: ["GRADIENT_JWT_SECRET_FILE"],
    schema: z.string().min(1, "expected a file"),
    fallback: null,
    doc: "file with the secret that signs sessions, at least 32 characters (default: DATA-DIR/keys/jwt-secret, made at first start)",
  },
  cryptSecretFile: {
    value: "file",
    variables: ["GRADIENT_CRYPT_SECRET_FILE"],
    schema: z.string().min(1, "expected a file"),
    fallback: null,
    doc: "file with the secret that seals private keys in the database, at least 32 characters (default: DATA-DIR/keys/crypt-secret, made at first start)",
  },
  stateFile: {
    value: "file",
    variables: ["GRADIENT_STATE_FILE"],
    schema: fileSchema,
    fallback: null,
    doc: "JSON file that declares users, organizations, caches, projects, workers and keys; it is applied at start (default: none)",
  },
  deleteState: {
    value: "true|false",
    variables: ["GRADIENT_DELETE_STATE"],
    schema: switchSchema,
    fallback: "true",
    doc: "whether what left the state file is removed; else it stays and can be changed by everybody again",
  },
  enableRegistration: {
    value: "true|false",
    variables: ["GRADIENT_ENABLE_REGISTRATION"],
    schema: switchSchema,
    fallback: "true",
    doc: "whether anybody may register",
  },
  createOrg: {
    value: "who",
    variables: ["GRADIENT_CREATE_ORG"],
    schema: createPermissionSchema,
    fallback: "everyone",
    doc: "who may create organizations: none, superusers or everyone",
  },
  createCache: {
    value: "who",
    variables: ["GRADIENT_CREATE_CACHE"],
    schema: createPermissionSchema,
    fallback: "everyone",
    doc: "who may create caches: none, superusers or everyone",
  },
  metricsTokenFile: {
    value: "file",
    variables: ["GRADIENT_METRICS_TOKEN_FILE"],
    schema: z.string().min(1, "expected a file"),
    fallback: null,
    doc: "file with the token that Prometheus reads /metrics with (default: there are no metrics)",
  },
  globalStatsPublic: {
    value: "true|false",
    variables: ["GRADIENT_GLOBAL_STATS_PUBLIC"],
    schema: switchSchema,
    fallback: "false",
    doc: "whether every user may see all connected workers",
  },
  ...emailSettings,
  ...oidcSettings,
  keepEvaluations: {
    value: "number",
    variables: ["GRADIENT_KEEP_EVALUATIONS"],
    schema: z
      .string()
      .regex(/^[1-9]\d{0,5}$/, "expected a number from 1 to 999999")
      .transform(Number),
    fallback: "30",
    doc: "evaluations that a new project keeps, and the most that any may keep",
  },
  leaseSeconds: {
    value: "seconds",
    variables: ["GRADIENT_LEASE_SECONDS"],
    schema: wholeSchema("seconds", 10, 86_400),
    fallback: "1200",
    doc: "how long a silent worker keeps its assignments",
  },
  maxRequestSize: {
    value: "bytes",
    variables: ["GRADIENT_MAX_REQUEST_SIZE"],
    schema: sizeSchema,
    fallback: "2M",
    doc: "largest request body of the API",
  },
  maxNarUploadSize: {
    value: "bytes",
    variables: ["GRADIENT_MAX_NAR_UPLOAD_SIZE"],
    schema: sizeSchema,
    fallback: "512M",
    doc: "largest file with a NAR that users may put into a cache; unpacked it may be 64 times as large",
  },
  narTtlHours: {
    value: "hours",
    variables: ["GRADIENT_NAR_TTL_HOURS"],
    schema: wholeSchema("hours", 24, 1_000_000),
    fallback: "336",
    doc: "how long a cache keeps a path that nobody fetches and nothing needs",
  },
  maxStorageGb: {
    value: "gigabytes",
    variables: ["GRADIENT_MAX_STORAGE_GB"],
    schema: wholeSchema("gigabytes", 0, 1_000_000_000),
    fallback: "0",
    doc: "how much all caches may take on the disk, of 2^30 bytes each; 0 for no limit",
  },
  maxSourceUploadSize: {
    value: "bytes",
    variables: ["GRADIENT_MAX_SOURCE_UPLOAD_SIZE"],
    schema: sizeSchema,
    fallback: "512M",
    doc: "largest source tree that a client may upload to have it built",
  },
  maxDirectBuildSize: {
    value: "bytes",
    variables: ["GRADIENT_MAX_DIRECT_BUILD_SIZE"],
    schema: sizeSchema,
    fallback: "1G",
    doc: "largest body of a direct build",
  },
  nixbuildPrefix: {
    value: "path",
    variables: ["GRADIENT_NIXBUILD_PREFIX"],
    schema: nixbuildPrefixSchema,
    fallback: null,
    doc: "further path under which nixbuild.net's API is served, for instance /nixbuild (it is always at /builds and /usage)",
  },
  cpuAccounting: {
    value: "measured|allocated",
    variables: ["GRADIENT_CPU_ACCOUNTING"],
    schema: oneOf(["measured", "allocated"]),
    fallback: "measured",
    doc: "CPU-seconds that nixbuild.net's API tells: what builds used, or the cores that they were given for as long as they ran",
  },
  rateLimits: {
    value: "true|false",
    variables: ["GRADIENT_RATE_LIMITS"],
    schema: switchSchema,
    fallback: "true",
    doc: "whether each client address has limited rates; false behind a proxy that limits them itself",
  },
  trustedProxies: {
    value: "list",
    variables: ["GRADIENT_TRUSTED_PROXIES"],
    schema: addressListSchema,
    fallback: "127.0.0.1/32,::1/128",
    doc: "addresses, separated by commas, whose X-Forwarded-For is believed",
  },
  objectStore: {
    value: "url",
    variables: ["GRADIENT_OBJECT_STORE"],
    schema: objectStoreSchema,
    fallback: null,
    doc: "S3-compatible store of NARs, s3://BUCKET/PREFIX?endpoint=URL&region=NAME; credentials are found as by AWS's own tools, such as AWS_ACCESS_KEY_ID or AWS_SHARED_CREDENTIALS_FILE (default: DATA-DIR/nar)",
  },
  accelRedirect: {
    value: "location",
    variables: ["GRADIENT_ACCEL_REDIRECT"],
    schema: z
      .string()
      .regex(
        /^\/(?:[\w.-]+\/)+$/,
        "expected a location such as /gradient-nars/, with slashes around it",
      ),
    fallback: null,
    doc: "internal location of nginx with the files of DATA-DIR/nar/: trusted proxies are answered with X-Accel-Redirect in place of a NAR's bytes",
  },
  localIps: {
    value: "list",
    variables: ["GRADIENT_LOCAL_IPS"],
    schema: addressListSchema,
    fallback: "10.0.0.0/8",
    doc: "addresses, separated by commas, that are told a cache's local priority",
  },
  allowPrivateAddresses: {
    value: "list",
    variables: ["GRADIENT_ALLOW_PRIVATE_ADDRESSES"],
    schema: addressListSchema,
    fallback: "",
    doc: "addresses outside of the public network, separated by commas, that the server may ask for its users: forges, webhooks, upstream caches (default: none)",
  },
  logLevel: {
    value: "level",
    variables: ["GRADIENT_LOG_LEVEL"],
    schema: oneOf(LOG_LEVELS),
    fallback: "info",
    doc: `least level that is logged: ${LOG_LEVELS.join(", ")}`,
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof settings;

type ValueOf<S extends Setting> = S["fallback"] extends null
  ? z.output<S["schema"]> | null
  : z.output<S["schema"]>;

/** What the daemon runs with: validated and frozen. Secrets are apart, see secrets.ts. */
export type Config = { readonly [K in SettingName]: ValueOf<(typeof settings)[K]> };

/** `dataDir` as flag and file key write it: `data-dir`. */
export function settingKey(name: SettingName): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** In the order of the table, which is that of `--help` and of docs/settings.md. */
export function settingNames(): SettingName[] {
  return Object.keys(settings) as SettingName[];
}
