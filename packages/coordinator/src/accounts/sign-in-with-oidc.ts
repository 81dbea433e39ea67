import { timingSafeEqual } from "node:crypto";
import type { RememberedAttempt } from "../auth/oidc-cookie.ts";
import type { SessionTokens } from "../auth/session-token.ts";
import type { Config } from "../config/settings.ts";
import type { Database } from "../db/client.ts";
import type { User } from "../db/user-repository.ts";
import { UnauthorizedError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { OidcError } from "../oidc/errors.ts";
import type { OidcProvider } from "../oidc/oidc-provider.ts";
import { audit, type Actor } from "./audit.ts";
import { grantByGroups } from "../members/grant-by-groups.ts";
import { userOfIdentity } from "./oidc-user.ts";
import { openSession } from "./open-session.ts";

export interface OidcDependencies {
  database: Database;
  tokens: SessionTokens;
  logger: Logger;
  config: Pick<Config, "oidcGroups">;
}

export interface ReturnFromProvider {
  provider: OidcProvider;
  /** What the browser was sent back with. */
  query: URLSearchParams;
  /** What its cookie says; null without a good cookie. */
  attempt: RememberedAttempt | null;
  actor: Actor;
}

/** Opens a session for who came back from the provider, and returns its token. Throws UnauthorizedError, always with the same text. */
export async function signInWithOidc(
  dependencies: OidcDependencies,
  { provider, query, attempt, actor }: ReturnFromProvider,
  now: number,
): Promise<string> {
  const { database, logger } = dependencies;
  return hidingDetails(logger, async () => {
    if (attempt === null) throw new OidcError("the cookie of the attempt is missing or too old");
    if (!isSame(query.get("state") ?? "", attempt.state)) {
      throw new OidcError("state is not that of the cookie");
    }
    const identity = await provider.finish(query, attempt);
    const { user, missing } = await database.transaction(async ({ kysely }) => {
      const account = await userOfIdentity(kysely, identity, now);
      const member = { user: account, groups: identity.groups, actor };
      const { oidcGroups } = dependencies.config;
      return { user: account, missing: await grantByGroups(kysely, member, oidcGroups, now) };
    });
    if (missing.length > 0) {
      logger.warn({ missing }, "GRADIENT_OIDC_GROUPS grants what does not exist");
    }
    await refuseDeactivated(database, user, actor, now);
    return openSession(dependencies, { user, method: "oidc", isRemembered: false, actor }, now);
  });
}

/** Runs a step of signing in; what fails in it is logged and becomes one text for everybody. Throws UnauthorizedError. */
export async function hidingDetails<T>(logger: Logger, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof OidcError)) throw error;
    logger.warn({ err: error }, "signing in with the OIDC provider failed");
    throw new UnauthorizedError("signing in with the provider failed; try again", { cause: error });
  }
}

async function refuseDeactivated(
  database: Database,
  user: User,
  actor: Actor,
  now: number,
): Promise<void> {
  if (user.active === 1) return;
  const owner = { ...actor, userId: user.id };
  await audit(
    database.kysely,
    { event: "login.failure", actor: owner, subject: user.username },
    now,
  );
  throw new OidcError(`account "${user.username}" is deactivated`);
}

function isSame(given: string, expected: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}
