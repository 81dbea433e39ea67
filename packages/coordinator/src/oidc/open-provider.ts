import { missingSettings } from "../config/missing-settings.ts";
import { readSecretFile } from "../config/secret-file.ts";
import type { Config } from "../config/settings.ts";
import type { Logger } from "../logger.ts";
import type { OidcProvider } from "./oidc-provider.ts";

/**
 * The provider that the settings describe; null when there is none. Settings that are not complete count as off, and are warned of.
 * Throws UserError for a secret file that cannot be read. The provider itself is first asked when somebody signs in.
 */
export async function openProvider(
  options: { config: Config; serveUrl: string; now: () => number },
  logger: Logger,
): Promise<OidcProvider | null> {
  const { config, serveUrl, now } = options;
  if (!config.oidcEnabled) {
    if (config.oidcRequired) {
      logger.warn({}, "GRADIENT_OIDC_REQUIRED is ignored: GRADIENT_OIDC_ENABLED is not true");
    }
    return null;
  }
  const { oidcDiscoveryUrl: discoveryUrl, oidcClientId: clientId } = config;
  const { oidcClientSecretFile: file } = config;
  if (discoveryUrl === null || clientId === null || file === null) {
    const missing = missingSettings(config, [
      "oidcDiscoveryUrl",
      "oidcClientId",
      "oidcClientSecretFile",
    ]);
    logger.warn({ missing }, "OIDC is off: it is switched on, but settings are missing");
    return null;
  }
  if (discoveryUrl.startsWith("http:")) {
    logger.warn({ discoveryUrl }, "the OIDC provider is asked without TLS");
  }
  const provider = await import("./oidc-provider.ts");
  return new provider.OidcProvider({
    discoveryUrl,
    clientId,
    clientSecret: await readSecretFile(file),
    scopes: config.oidcScopes,
    wantsGroups: config.oidcGroups.length > 0,
    redirectUri: `${serveUrl}/api/v1/auth/oidc/callback`,
    now,
  });
}
