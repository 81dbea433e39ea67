import { z } from "zod";
import { stateFileSchema, type StateFile } from "./state-file.ts";

/** Where something stands in the file: keys and positions, from the top. */
export type Path = readonly PropertyKey[];

/** What is wrong at one place of the file, and what to do. */
export interface Problem {
  /** `$.projects.site.triggers[0].config` */
  readonly path: string;
  readonly message: string;
}

type Entry<K extends keyof StateFile> = StateFile[K][string];
/** An entry with its name and its place. */
type Named<T> = Omit<T, "name"> & { readonly name: string; readonly path: Path };

export type DeclaredUser = Omit<Named<Entry<"users">>, "username"> & { readonly username: string };
export type DeclaredOrganization = Named<Entry<"organizations">>;
export type DeclaredRole = Named<Entry<"roles">>;
export type DeclaredIntegration = Named<Entry<"integrations">>;
export type DeclaredProject = Named<Entry<"projects">>;
export type DeclaredCache = Named<Entry<"caches">>;
export type DeclaredWorker = Omit<Entry<"workers">, "worker_id"> & {
  readonly worker_id: string;
  readonly path: Path;
};
export type DeclaredApiKey = Named<Entry<"api_keys">>;

/** What a file declares, each kind in the order of the file. */
export interface Declared {
  readonly users: readonly DeclaredUser[];
  readonly organizations: readonly DeclaredOrganization[];
  readonly roles: readonly DeclaredRole[];
  readonly integrations: readonly DeclaredIntegration[];
  readonly projects: readonly DeclaredProject[];
  readonly caches: readonly DeclaredCache[];
  readonly workers: readonly DeclaredWorker[];
  readonly apiKeys: readonly DeclaredApiKey[];
}

/** Reads a file's content as far as it can be understood by itself. */
export function parseStateFile(content: unknown): Declared | Problem[] {
  const parsed = stateFileSchema.safeParse(withoutNulls(content));
  if (!parsed.success) return parsed.error.issues.flatMap(toProblems);
  const { users, workers, ...file } = parsed.data;
  return {
    users: Object.entries(users).map(([key, user]) => {
      const username = user.username ?? key;
      return { ...user, username, name: user.name ?? username, path: ["users", key] };
    }),
    organizations: named("organizations", file.organizations),
    roles: named("roles", file.roles),
    integrations: named("integrations", file.integrations),
    projects: named("projects", file.projects),
    caches: named("caches", file.caches),
    workers: Object.entries(workers).map(([key, worker]) => ({
      ...worker,
      worker_id: worker.worker_id ?? key,
      path: ["workers", key],
    })),
    apiKeys: named("api_keys", file.api_keys),
  };
}

function named<T extends { name?: string | undefined }>(
  kind: string,
  entries: Readonly<Record<string, T>>,
): Named<T>[] {
  return Object.entries(entries).map(([key, entry]) => ({
    ...entry,
    name: entry.name ?? key,
    path: [kind, key],
  }));
}

/** Programs that write the file give null for what is left out. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, each]) => each !== null);
  return Object.fromEntries(kept.map(([key, each]) => [key, withoutNulls(each)]));
}

function toProblems(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      path: formatPath([...issue.path, key]),
      message: "this is not known here: remove it, or correct its name",
    }));
  }
  return [{ path: formatPath(issue.path), message: issue.message }];
}

/** `$.a[0]["b/c"]` */
export function formatPath(path: Path): string {
  const steps = path.map((step) => {
    if (typeof step === "number") return `[${step}]`;
    const text = String(step);
    return /^[A-Za-z_]\w*$/.test(text) ? `.${text}` : `[${JSON.stringify(text)}]`;
  });
  return `$${steps.join("")}`;
}
