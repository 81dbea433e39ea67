import { missingSettings } from "../config/missing-settings.ts";
import type { Config } from "../config/settings.ts";
import { createLogger } from "../logger.ts";
import { openMailer } from "../mail/open-mailer.ts";
import { openProvider } from "../oidc/open-provider.ts";
import { failure, good, reasonOf, warning, type Finding } from "./finding.ts";

/** Whether mail can be sent; nothing when it is off. No mail is sent. */
export async function checkMail(config: Config): Promise<Finding[]> {
  if (!config.emailEnabled) return [];
  const area = "mail";
  try {
    const mailer = await openMailer(config, createLogger("silent"));
    if (mailer === null) {
      const missing = missingSettings(config, ["emailSmtpHost", "emailFromAddress"]);
      const what = `it is switched on, and settings are missing: ${missing.join(", ") || "user name or password file"}`;
      return [warning(area, what, "give them, or switch GRADIENT_EMAIL_ENABLED off")];
    }
    await mailer.check();
    return [good(area, `${config.emailSmtpHost} takes our mail`)];
  } catch (error) {
    return [
      failure(
        area,
        `${config.emailSmtpHost} does not take our mail: ${reasonOf(error)}`,
        "look at host, port, TLS and the password",
      ),
    ];
  }
}

/** Whether the provider of single sign-on can be found; nothing when it is off. */
export async function checkOidc(config: Config, serveUrl: string): Promise<Finding[]> {
  if (!config.oidcEnabled) return [];
  const area = "single sign-on";
  try {
    const now = () => Date.now();
    const provider = await openProvider({ config, serveUrl, now }, createLogger("silent"));
    if (provider === null) {
      const needed = ["oidcDiscoveryUrl", "oidcClientId", "oidcClientSecretFile"] as const;
      const what = `it is switched on, and settings are missing: ${missingSettings(config, needed).join(", ")}`;
      return [warning(area, what, "give them, or switch GRADIENT_OIDC_ENABLED off")];
    }
    await provider.begin();
    return [good(area, `${config.oidcDiscoveryUrl} describes itself`)];
  } catch (error) {
    return [
      failure(
        area,
        `${config.oidcDiscoveryUrl} cannot be used: ${reasonOf(error)}`,
        "look at the discovery URL and the network",
      ),
    ];
  }
}
