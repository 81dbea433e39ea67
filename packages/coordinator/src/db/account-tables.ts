import type { Generated } from "kysely";
import type { Flag } from "./flag.ts";

export interface UsersTable {
  id: string;
  username: string;
  name: string;
  email: string;
  password_hash: string | null;
  superuser: Flag;
  email_verified: Flag;
  active: Flag;
  created_at: number;
  last_login_at: number | null;
  managed: Generated<Flag>;
  /** Who an OIDC provider says it is; both null for an account that no provider knows. */
  oidc_issuer: string | null;
  oidc_subject: string | null;
  /** SHA-256, hexadecimal, of the token that was mailed last. */
  verification_hash: string | null;
  verification_expires_at: number | null;
}

export interface SessionsTable {
  id: string;
  user_id: string;
  created_at: number;
  expires_at: number;
  last_used_at: number;
  revoked_at: number | null;
  /** Of the request that opened it. */
  user_agent: string | null;
  ip: string | null;
  remember_me: Generated<Flag>;
}

/** Logins of programs that show a code; a row goes when its token was handed out. */
export interface DeviceLoginsTable {
  /** SHA-256, hexadecimal, as the other. */
  device_code_hash: string;
  user_code_hash: string;
  state: "pending" | "authorized" | "denied";
  /** Who authorized it. */
  user_id: string | null;
  /** Of the program that asks. */
  user_agent: string | null;
  ip: string | null;
  created_at: number;
  expires_at: number;
}

/** Who did what; nothing refers to it and it refers to nothing. */
export interface AuditEventsTable {
  /** UUID version 7: in the order of events. */
  id: string;
  event: string;
  user_id: string | null;
  api_key_id: string | null;
  ip: string | null;
  user_agent: string | null;
  /** Name of what it was done to. */
  subject: string | null;
  details_json: string;
  created_at: number;
}

export interface ApiKeysTable {
  id: string;
  user_id: string;
  name: string;
  /** SHA-256, hexadecimal, of the 64 characters after the prefix. */
  secret_hash: string;
  permissions: number;
  organization_id: string | null;
  cache_id: string | null;
  allowed_ips_json: string;
  managed: Flag;
  created_at: number;
  last_used_at: number | null;
  expires_at: number | null;
  revoked_at: number | null;
}

/** Users, and what they log in with. */
export interface AccountTables {
  users: UsersTable;
  sessions: SessionsTable;
  device_logins: DeviceLoginsTable;
  audit_events: AuditEventsTable;
  api_keys: ApiKeysTable;
}
