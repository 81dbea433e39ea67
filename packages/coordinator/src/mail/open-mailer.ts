import { missingSettings } from "../config/missing-settings.ts";
import { readSecretFile } from "../config/secret-file.ts";
import type { Config } from "../config/settings.ts";
import type { Logger } from "../logger.ts";
import type { Mailer } from "./mailer.ts";

/**
 * The mailer that the settings describe; null when mail is off. Settings that are not complete count as off, and are warned of.
 * Throws UserError for a password file that cannot be read.
 */
export async function openMailer(config: Config, logger: Logger): Promise<Mailer | null> {
  if (!config.emailEnabled) {
    if (config.emailRequireVerification) {
      logger.warn({}, "e-mail addresses are not verified: GRADIENT_EMAIL_ENABLED is not true");
    }
    return null;
  }
  const { emailSmtpHost: host, emailFromAddress: address } = config;
  const missing = missingSettings(config, ["emailSmtpHost", "emailFromAddress"]);
  if ((config.emailSmtpUsername === null) !== (config.emailSmtpPasswordFile === null)) {
    missing.push(...missingSettings(config, ["emailSmtpUsername", "emailSmtpPasswordFile"]));
  }
  if (host === null || address === null || missing.length > 0) {
    logger.warn({ missing }, "mail is off: it is switched on, but settings are missing");
    return null;
  }
  const { SmtpMailer } = await import("./smtp-mailer.ts");
  return new SmtpMailer({
    host,
    port: config.emailSmtpPort,
    credentials: await credentialsOf(config),
    from: { name: config.emailFromName, address },
    isTlsRequired: config.emailEnableTls,
  });
}

async function credentialsOf(config: Config) {
  const { emailSmtpUsername: username, emailSmtpPasswordFile: file } = config;
  if (username === null || file === null) return null;
  return { username, password: await readSecretFile(file) };
}
