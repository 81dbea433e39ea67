import { z } from "zod";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";

const who = z.enum(["none", "superusers", "everyone"]);

const features = z.object({
  version: z.string(),
  oidc_enabled: z.boolean(),
  oidc_required: z.boolean(),
  registration_enabled: z.boolean(),
  email_verification_enabled: z.boolean(),
  smtp_enabled: z.boolean(),
  quic: z.boolean(),
  create_org: who,
  create_cache: who,
});

/** GET /config: what this server offers. */
export const serverConfigRoute: Route = (api, services) => {
  const { config, version, mailer, verification, oidc, isOidcRequired } = services;
  api.get(
    "/config",
    {
      config: { access: "none" },
      schema: { summary: "Says what this server offers.", response: { 200: envelope(features) } },
    },
    () =>
      ok({
        version,
        oidc_enabled: oidc !== null,
        oidc_required: isOidcRequired,
        registration_enabled: config.enableRegistration && !isOidcRequired,
        email_verification_enabled: verification !== null,
        smtp_enabled: mailer !== null,
        quic: false,
        create_org: config.createOrg,
        create_cache: config.createCache,
      }),
  );
};
