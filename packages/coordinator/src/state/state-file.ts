import { z } from "zod";
import { actionEventSchema } from "../actions/action-config.ts";
import { LAST_PRIORITY, USUAL_PRIORITY } from "../rules/jobset.ts";
import { NIXOS_UPSTREAM } from "../rules/upstream.ts";

/**
 * The file that declares a farm's users, organizations, caches, projects, workers and keys: `docs/state.md` describes it for who writes one.
 * Names of things are keys of objects unless `name` says another one; whatever is left out, or null, has its default. Of a secret the file holds
 * the name of a file with it, a hash, or what this server's own master key has sealed: never the secret.
 */

const secretFile = z
  .string()
  .startsWith("/", 'expected the absolute path of a file, such as "/run/secrets/name"');

/** As the database has it: `keyid:nonce:ciphertext`. */
const sealed = z
  .string()
  .regex(
    /^[0-9a-f]{8}:[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$/,
    "expected a sealed secret of an export (keyid:nonce:ciphertext); name a file with the secret instead",
  );

const sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, "expected a SHA-256 of 64 hexadecimal digits, in lower case");

/** A word of Gradient's own files that says nothing here; the message tells what does. */
const leftOut = (message: string) => z.undefined(message).optional();

const mode = z.enum(["ReadWrite", "ReadOnly", "WriteOnly"]);

const member = z.strictObject({ user: z.string(), role: z.string().default("Admin") });

const user = z.strictObject({
  username: z.string().optional(),
  name: z.string().optional(),
  email: z.string(),
  /** File with an Argon2id hash in PHC form. */
  password_file: secretFile.optional(),
  password_hash: z.string().optional(),
  email_verified: z.boolean().default(true),
  superuser: z.boolean().default(false),
  active: z.boolean().default(true),
});

const organization = z.strictObject({
  name: z.string().optional(),
  id: z.uuid().optional(),
  display_name: z.string().optional(),
  description: z.string().default(""),
  public: z.boolean().default(false),
  hide_build_requests: z.boolean().default(false),
  reuse_build_failures: z.boolean().default(false),
  reuse_build_timeouts: z.boolean().default(false),
  /** File with an OpenSSH private key; without it one is made. */
  private_key_file: secretFile.optional(),
  private_key_sealed: sealed.optional(),
  /** Of the sealed key. */
  public_key: z.string().optional(),
  members: z.array(member).default([]),
  created_by: z.string().optional(),
});

const role = z.strictObject({
  name: z.string().optional(),
  organization: z.string().optional(),
  cache: z.string().optional(),
  permissions: z.array(z.string()).min(1, "expected at least one permission"),
});

const integration = z.strictObject({
  name: z.string().optional(),
  id: z.uuid().optional(),
  organization: z.string(),
  display_name: z.string().optional(),
  kind: z.enum(["inbound", "outbound"]),
  forge_type: z.enum(["gitea", "forgejo", "gitlab", "github"]),
  endpoint_url: z.string().optional(),
  secret_file: secretFile.optional(),
  secret_sealed: sealed.optional(),
  access_token_file: secretFile.optional(),
  access_token_sealed: sealed.optional(),
  created_by: z.string().optional(),
});

const texts = z.array(z.string()).optional();
const triggerBase = { active: z.boolean().default(true), integration: z.string().optional() };
const trigger = z.discriminatedUnion("type", [
  z.strictObject({
    ...triggerBase,
    type: z.literal("polling"),
    config: z
      .strictObject({ interval_secs: z.int().default(300), branch: z.string().optional() })
      .prefault({}),
  }),
  z.strictObject({
    ...triggerBase,
    type: z.literal("reporter_push"),
    integration: z.string(),
    config: z
      .strictObject({ branches: texts, tags: texts, releases_only: z.boolean().optional() })
      .prefault({}),
  }),
  z.strictObject({
    ...triggerBase,
    type: z.literal("reporter_pull_request"),
    integration: z.string(),
    config: z
      .strictObject({
        branches: texts,
        actions: z.array(z.enum(["opened", "synchronize", "reopened"])).optional(),
        require_approval: z.boolean().optional(),
      })
      .prefault({}),
  }),
  z.strictObject({
    ...triggerBase,
    type: z.literal("time"),
    config: z.strictObject({ cron: z.string() }),
  }),
]);

const actionBase = {
  name: z.string(),
  /** Its sealed token belongs to it. */
  id: z.uuid().optional(),
  active: z.boolean().default(true),
  events: z.array(actionEventSchema).default([]),
};
const action = z.discriminatedUnion(
  "type",
  [
    z.strictObject({
      ...actionBase,
      type: z.literal("send_mail"),
      config: z.strictObject({
        recipients: z.array(z.string()).min(1, "expected at least one address"),
        subject_template: z.string().optional(),
      }),
    }),
    z.strictObject({
      ...actionBase,
      type: z.literal("send_web_request"),
      config: z.strictObject({
        url: z.string(),
        /** File with the token; without one requests go without. */
        token_file: secretFile.optional(),
        token_sealed: sealed.optional(),
      }),
    }),
    z.strictObject({
      ...actionBase,
      type: z.literal("forge_status_report"),
      events: z.array(z.never("statuses follow every evaluation: leave events out")).default([]),
      config: z.strictObject({ integration: z.string() }),
    }),
  ],
  "expected the type send_mail, send_web_request or forge_status_report",
);

const project = z.strictObject({
  name: z.string().optional(),
  organization: z.string(),
  display_name: z.string().optional(),
  description: z.string().default(""),
  repository: z.string(),
  wildcard: z.string().default("packages.x86_64-linux.*"),
  active: z.boolean().default(true),
  keep_evaluations: z.int().min(1).default(1),
  concurrency: z.enum(["hard_abort", "soft_abort", "all", "skip"]).default("soft_abort"),
  sign_cache: z.boolean().default(true),
  /** What it is for clients of Cuirass. */
  alias: z.string().optional(),
  priority: z.int().min(0).max(LAST_PRIORITY).default(USUAL_PRIORITY),
  open_hook: z.boolean().default(false),
  /** Left out: those that are there stay, and a new project polls. */
  triggers: z.array(trigger).optional(),
  outbound_integration: leftOut(
    "leave it out: a forge is told by the organization's outbound integration whose endpoint_url is the repository's host, or by those that actions name",
  ),
  /** Left out: those that are there stay. */
  actions: z.array(action).optional(),
  /** By names of inputs. Left out: those that are there stay. */
  flake_input_overrides: z.record(z.string(), z.strictObject({ url: z.string() })).optional(),
  created_by: z.string().optional(),
});

const upstream = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("internal"),
    cache_name: z.string(),
    display_name: z.string().optional(),
    mode: mode.default("ReadWrite"),
  }),
  z.strictObject({
    type: z.literal("external"),
    display_name: z.string(),
    url: z.string(),
    public_key: z.string(),
    mode: z
      .literal("ReadOnly", "an external upstream is only read: leave mode out")
      .default("ReadOnly"),
  }),
  z.strictObject({
    type: z.literal("gradient"),
    id: z.uuid().optional(),
    display_name: z.string(),
    url: z.string(),
    remote_cache: z.string(),
    public_key: z.string().optional(),
    api_key_file: secretFile.optional(),
    api_key_sealed: sealed.optional(),
    mode: mode.default("ReadOnly"),
  }),
]);

/** A key that an export has brought. One that signs no more has no secret. */
const signingKey = z.strictObject({ public_key: z.string(), sealed: sealed.optional() });

const subscription = z.union([
  z.string().transform((name) => ({ organization: name, mode: "ReadWrite" as const })),
  z.strictObject({ organization: z.string(), mode }),
]);

const cache = z.strictObject({
  name: z.string().optional(),
  id: z.uuid().optional(),
  display_name: z.string().optional(),
  description: z.string().default(""),
  active: z.boolean().default(true),
  priority: z.int().min(0).default(10),
  local_priority: z.int().optional(),
  max_storage_gb: z.int().default(0),
  public: z.boolean().default(false),
  /** File with a secret key as `nix key generate-secret` makes it; without one a key is made. */
  signing_key_file: secretFile.optional(),
  signing_keys: z.array(signingKey).default([]),
  /** Organizations whose builds are shown there. */
  organizations: z.array(subscription).default([]),
  upstreams: z.array(upstream).default([{ type: "external", mode: "ReadOnly", ...NIXOS_UPSTREAM }]),
  members: z.array(member).default([]),
  created_by: z.string().optional(),
});

const worker = z.strictObject({
  worker_id: z.string().optional(),
  display_name: z.string().optional(),
  organizations: z.array(z.string()).min(1, "expected at least one organization"),
  /** File with the token of the worker's peers file, in clear. */
  token_file: secretFile.optional(),
  token_hash: sha256.optional(),
  /** Key that the worker signs with; without it the first one that it shows is pinned. */
  public_key: z.string().optional(),
  url: z.string().optional(),
  enable_fetch: z.boolean().default(true),
  enable_eval: z.boolean().default(true),
  enable_build: z.boolean().default(true),
  enabled: z.boolean().default(true),
  base_worker: z
    .literal(false, "leave it out, and list every organization that it builds for as organizations")
    .optional(),
  authorize_against: leftOut(
    "leave it out: a worker has one token, and a line *:TOKEN of its peers file shows it to all of its organizations",
  ),
  created_by: z.string().optional(),
});

const apiKey = z.strictObject({
  name: z.string().optional(),
  owned_by: z.string(),
  /** File with the SHA-256, in hexadecimal, of the 64 characters behind `GRAD`. */
  key_file: secretFile.optional(),
  key_hash: sha256.optional(),
  permissions: z.array(z.string()).min(1, "expected at least one permission"),
  organization: z.string().optional(),
  cache: z.string().optional(),
  allowed_ips: z.array(z.string()).default([]),
  expires_at: z.iso.datetime().optional(),
});

const keyed = <T extends z.ZodType>(each: T) => z.record(z.string(), each).default({});

/** Takes a file's content without its nulls. */
export const stateFileSchema = z.strictObject({
  users: keyed(user),
  organizations: keyed(organization),
  roles: keyed(role),
  integrations: keyed(integration),
  projects: keyed(project),
  caches: keyed(cache),
  workers: keyed(worker),
  api_keys: keyed(apiKey),
});

export type StateFile = z.output<typeof stateFileSchema>;
export type FileUpstream = z.output<typeof upstream>;
