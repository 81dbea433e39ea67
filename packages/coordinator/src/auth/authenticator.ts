import { z } from "zod";
import type { ApiKey } from "../db/api-key-repository.ts";
import type { Database } from "../db/client.ts";
import { prepareCredentialReads, type CredentialReads } from "../db/credential-reads.ts";
import type { LastUse } from "../db/last-use.ts";
import type { User } from "../db/user-repository.ts";
import { ForbiddenError, UnauthorizedError } from "../errors.ts";
import { isInRanges } from "../rules/address.ts";
import type { SignedIn } from "./caller.ts";
import { Denials } from "./denials.ts";
import { API_KEY_PREFIX, apiKeyHash } from "./random-token.ts";
import type { SessionTokens } from "./session-token.ts";

/** A token as it came in, and the address that it came from. */
export interface Credentials {
  token: string;
  address: string;
}

export interface AuthenticatorOptions {
  database: Database;
  tokens: SessionTokens;
  lastUse: LastUse;
  now: () => number;
}

const rangesSchema = z.array(z.string());

const DEAD_TOKEN = "the token is not valid, was revoked or has expired; log in again";

/** Turns a session token or API key into who is calling. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #reads: CredentialReads;
  readonly #denials = new Denials();

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#reads = prepareCredentialReads(options.database);
  }

  /** Throws UnauthorizedError for a token that is not good, ForbiddenError for a good one that may not be used (address, deactivated account). */
  async authenticate(credentials: Credentials): Promise<SignedIn> {
    const caller = credentials.token.startsWith(API_KEY_PREFIX)
      ? await this.#byKey(credentials)
      : await this.#bySession(credentials.token);
    if (caller.user.active === 0) throw new ForbiddenError("this account is deactivated");
    return caller;
  }

  async #bySession(token: string): Promise<SignedIn> {
    const { tokens, lastUse, now } = this.#options;
    const claims = await tokens.read(token);
    if (claims === null) throw new UnauthorizedError(DEAD_TOKEN);
    const session = this.#reads.session(claims.sessionId, now());
    if (session === undefined || session.user_id !== claims.userId) {
      throw new UnauthorizedError(DEAD_TOKEN);
    }
    lastUse.session(session.id);
    return {
      kind: "signed-in",
      user: this.#owner(session.user_id),
      sessionId: session.id,
      key: null,
    };
  }

  async #byKey(credentials: Credentials): Promise<SignedIn> {
    const { database, lastUse, now } = this.#options;
    const hash = apiKeyHash(credentials.token);
    const key = hash === null ? undefined : this.#reads.apiKey(hash, now());
    if (key === undefined) throw new UnauthorizedError(DEAD_TOKEN);
    if (!isAllowedFrom(key, credentials.address)) {
      await this.#denials.tell(database.kysely, key, credentials.address, now());
      throw new ForbiddenError(`this API key may not be used from ${credentials.address}`, {
        code: "forbidden_source_ip",
      });
    }
    lastUse.apiKey(key.id);
    return {
      kind: "signed-in",
      user: this.#owner(key.user_id),
      sessionId: null,
      key: {
        id: key.id,
        permissions: key.permissions,
        organizationId: key.organization_id,
        cacheId: key.cache_id,
      },
    };
  }

  #owner(userId: string): User {
    const user = this.#reads.user(userId);
    if (user === undefined) throw new UnauthorizedError(DEAD_TOKEN);
    return user;
  }
}

function isAllowedFrom(key: ApiKey, address: string): boolean {
  const ranges = rangesSchema.parse(JSON.parse(key.allowed_ips_json));
  return ranges.length === 0 || isInRanges(address, ranges);
}
