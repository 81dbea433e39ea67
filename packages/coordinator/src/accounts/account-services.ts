import { Authenticator } from "../auth/authenticator.ts";
import { DownloadTokens } from "../auth/download-token.ts";
import { OidcCookies } from "../auth/oidc-cookie.ts";
import { SessionTokens } from "../auth/session-token.ts";
import type { Config } from "../config/settings.ts";
import type { Database } from "../db/client.ts";
import type { LastUse } from "../db/last-use.ts";
import type { Logger } from "../logger.ts";
import type { Mailer } from "../mail/mailer.ts";
import { BuildLinks } from "../nixbuild/build-links.ts";
import { openMailer } from "../mail/open-mailer.ts";
import { openProvider } from "../oidc/open-provider.ts";
import type { OidcProvider } from "../oidc/oidc-provider.ts";
import { EmailVerification } from "./email-verification.ts";

/** Parts of accounts; some exist only as far as the settings ask for them. */
export interface AccountServices {
  tokens: SessionTokens;
  downloadTokens: DownloadTokens;
  buildLinks: BuildLinks;
  authenticator: Authenticator;
  mailer: Mailer | null;
  /** null: addresses count as verified. */
  verification: EmailVerification | null;
  oidc: OidcProvider | null;
  /** Whether the provider is the only way to sign in. */
  isOidcRequired: boolean;
  oidcCookies: OidcCookies;
}

/** Throws UserError for a secret file that cannot be read. */
export async function openAccountServices(options: {
  config: Config;
  serveUrl: string;
  jwtSecret: Uint8Array;
  database: Database;
  lastUse: LastUse;
  logger: Logger;
  now: () => number;
}): Promise<AccountServices> {
  const { config, serveUrl, jwtSecret, database, lastUse, logger, now } = options;
  const tokens = new SessionTokens(jwtSecret);
  const mailer = await openMailer(config, logger);
  const isVerifying = mailer !== null && config.emailRequireVerification;
  const oidc = await openProvider(options, logger);
  return {
    tokens,
    downloadTokens: new DownloadTokens(jwtSecret, now),
    buildLinks: new BuildLinks(jwtSecret, now),
    authenticator: new Authenticator({ database, tokens, lastUse, now }),
    mailer,
    verification: isVerifying ? new EmailVerification(mailer, serveUrl) : null,
    oidc,
    isOidcRequired: oidc !== null && config.oidcRequired,
    oidcCookies: new OidcCookies(jwtSecret),
  };
}
