import type { Queries } from "../../db/client.ts";
import { insertNotice, type Notice } from "../../db/notice-repository.ts";
import { ConflictError } from "../../errors.ts";
import { SealError, type MasterKey } from "../../keys/master-key.ts";
import type { Declared } from "../declared.ts";
import type { DeclaredSecrets } from "../read-secrets.ts";

/** What applying a file did to one thing. */
export interface Change {
  /** released: it left the file and stays. deactivated: an account that cannot be deleted. */
  readonly action: "created" | "changed" | "removed" | "released" | "deactivated";
  readonly kind: string;
  readonly name: string;
}

/** `created project acme/site` */
export function describeChange({ action, kind, name }: Change): string {
  return `${action} ${kind} ${name}`;
}

/** One transaction that makes the farm what a file declares. */
export interface Applying {
  readonly db: Queries;
  readonly declared: Declared;
  readonly secrets: DeclaredSecrets;
  readonly masterKey: MasterKey;
  readonly serveUrl: string;
  /** The most evaluations that a project may keep. */
  readonly mostKept: number;
  /** Whether what left the file is removed; else it stays and may be changed by everybody again. */
  readonly removesLeft: boolean;
  /** Whether a coordinator is running that is not told of what ends under its hands. */
  readonly isServed: boolean;
  readonly now: number;
  /** What was done, in its order. */
  readonly changes: Change[];
  /** Ids by names, of what the file declares. */
  readonly userIds: Map<string, string>;
  readonly organizationIds: Map<string, string>;
  readonly cacheIds: Map<string, string>;
  /** Ids of what the file declares beside those. */
  readonly kept: Set<string>;
  /** Notices that were given already. */
  readonly told: Set<string>;
}

/** Once for each thing: a file that changes nothing records nothing. */
export function record(
  applying: Applying,
  action: Change["action"],
  kind: string,
  name: string,
): void {
  applying.changes.push({ action, kind, name });
}

/** Columns that are not yet what they shall be; null when all are. */
export function difference<Row extends object, Wanted extends Partial<Row>>(
  row: Row,
  wanted: Wanted,
): Partial<Wanted> | null {
  const found = new Map(Object.entries(row));
  const entries = Object.entries(wanted).filter(([column, value]) => found.get(column) !== value);
  // What is left of an object's own entries has its type.
  return entries.length === 0 ? null : (Object.fromEntries(entries) as Partial<Wanted>);
}

/** Id of what the file declares by that name: the check has found it there. */
export function idOf(ids: ReadonlyMap<string, string>, name: string): string {
  const id = ids.get(name);
  if (id === undefined) throw new Error(`${name} is not declared`);
  return id;
}

/** Of the creator, or else of the file's first superuser. */
export function creatorId(
  { declared, userIds }: Applying,
  { created_by: creator }: { readonly created_by?: string | undefined },
): string {
  const username = creator ?? declared.users.find(({ superuser }) => superuser)?.username;
  return idOf(userIds, username ?? "");
}

/** A sealed secret of an export, if it can be opened here. Throws ConflictError. */
export function takeSealed(masterKey: MasterKey, sealed: string, context: string): string {
  try {
    masterKey.open(sealed, context);
    return sealed;
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    throw new ConflictError(
      `${error.message}: give the crypt secret file of the farm that the file comes from, or name a file with the secret`,
      { cause: error },
    );
  }
}

/** A sealed secret stays as it is while it holds the same. */
export function sealAnew(
  masterKey: MasterKey,
  stored: string | null,
  secret: string,
  context: string,
): string {
  if (stored !== null && masterKey.open(stored, context) === secret) return stored;
  return masterKey.seal(secret, context);
}

/** Tells a running coordinator, once. */
export async function tell(
  { db, told }: Applying,
  kind: Notice["kind"],
  subject: string,
): Promise<void> {
  const key = `${kind} ${subject}`;
  if (told.has(key)) return;
  told.add(key);
  await insertNotice(db, { kind, subject });
}
