import type { User } from "../db/user-repository.ts";

/** An API key's limits: its mask of permissions, and what it is pinned to (at most one of both). */
export interface KeyScope {
  id: string;
  /** Of the organization catalogue; of the cache catalogue when the key is pinned to a cache. */
  permissions: number;
  organizationId: string | null;
  cacheId: string | null;
}

/** Somebody whose credentials are good: by a session, or by an API key. */
export interface SignedIn {
  kind: "signed-in";
  user: User;
  sessionId: string | null;
  key: KeyScope | null;
}

export interface Anonymous {
  kind: "anonymous";
}

/** Who asks. */
export type Caller = SignedIn | Anonymous;

export const anonymous: Anonymous = { kind: "anonymous" };
