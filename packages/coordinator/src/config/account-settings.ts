import { z } from "zod";
import { fileSchema, portSchema, switchSchema } from "./setting-schemas.ts";

/** Settings of mail. Part of the table in settings.ts. */
export const emailSettings = {
  emailEnabled: {
    value: "true|false",
    variables: ["GRADIENT_EMAIL_ENABLED"],
    schema: switchSchema,
    fallback: "false",
    doc: "whether mail is sent; needs at least a host and a sender's address",
  },
  emailRequireVerification: {
    value: "true|false",
    variables: ["GRADIENT_EMAIL_REQUIRE_VERIFICATION"],
    schema: switchSchema,
    fallback: "false",
    doc: "whether a new account has to follow a mailed link before it can log in",
  },
  emailSmtpHost: {
    value: "host",
    variables: ["GRADIENT_EMAIL_SMTP_HOST"],
    schema: z.string().min(1, "expected a host"),
    fallback: null,
    doc: "mail server",
  },
  emailSmtpPort: {
    value: "port",
    variables: ["GRADIENT_EMAIL_SMTP_PORT"],
    schema: portSchema,
    fallback: "587",
    doc: "port of the mail server",
  },
  emailSmtpUsername: {
    value: "name",
    variables: ["GRADIENT_EMAIL_SMTP_USERNAME"],
    schema: z.string().min(1, "expected a name"),
    fallback: null,
    doc: "name to log in to the mail server with; none means no login",
  },
  emailSmtpPasswordFile: {
    value: "file",
    variables: ["GRADIENT_EMAIL_SMTP_PASSWORD_FILE"],
    schema: fileSchema,
    fallback: null,
    doc: "file with the password for the mail server",
  },
  emailFromAddress: {
    value: "address",
    variables: ["GRADIENT_EMAIL_FROM_ADDRESS"],
    schema: z.email("expected an e-mail address"),
    fallback: null,
    doc: "sender's address of mails",
  },
  emailFromName: {
    value: "text",
    variables: ["GRADIENT_EMAIL_FROM_NAME"],
    schema: z.string(),
    fallback: "Gradient",
    doc: "sender's name of mails",
  },
  emailEnableTls: {
    value: "true|false",
    variables: ["GRADIENT_EMAIL_ENABLE_TLS"],
    schema: switchSchema,
    fallback: "true",
    doc: "whether mail is only sent over TLS: from the first byte on port 465, by STARTTLS on others; false sends in clear",
  },
} as const;

const groupsSchema = z.string().transform((text, context) => {
  const grants = text.split(",").filter((part) => part.trim() !== "");
  return grants.map((grant) => {
    const match = /^\s*(?<group>.+)=(?<organization>[a-z0-9-]+):(?<role>[\w-]+)\s*$/.exec(grant);
    const { group = "", organization = "", role = "" } = match?.groups ?? {};
    if (match === null) {
      context.addIssue({
        code: "custom",
        message: `expected GROUP=ORGANIZATION:ROLE, for instance staff=acme:Write, and not ${JSON.stringify(grant)}`,
      });
    }
    return { group, organization, role };
  });
});

/** Settings of single sign-on. Part of the table in settings.ts. */
export const oidcSettings = {
  oidcEnabled: {
    value: "true|false",
    variables: ["GRADIENT_OIDC_ENABLED"],
    schema: switchSchema,
    fallback: "false",
    doc: "whether users may sign in with an OpenID Connect provider; needs discovery URL, client id and client secret",
  },
  oidcRequired: {
    value: "true|false",
    variables: ["GRADIENT_OIDC_REQUIRED"],
    schema: switchSchema,
    fallback: "false",
    doc: "whether the provider is the only way to sign in: no passwords, no registration",
  },
  oidcDiscoveryUrl: {
    value: "url",
    variables: ["GRADIENT_OIDC_DISCOVERY_URL"],
    schema: z.url({ protocol: /^https?$/, error: "expected a URL of the provider" }),
    fallback: null,
    doc: "the provider's URL, below which /.well-known/openid-configuration lies",
  },
  oidcClientId: {
    value: "id",
    variables: ["GRADIENT_OIDC_CLIENT_ID"],
    schema: z.string().min(1, "expected a client id"),
    fallback: null,
    doc: "name of this server at the provider; register SERVE-URL/api/v1/auth/oidc/callback there",
  },
  oidcClientSecretFile: {
    value: "file",
    variables: ["GRADIENT_OIDC_CLIENT_SECRET_FILE"],
    schema: fileSchema,
    fallback: null,
    doc: "file with the secret that the provider gave this server",
  },
  oidcScopes: {
    value: "list",
    variables: ["GRADIENT_OIDC_SCOPES"],
    schema: z
      .string()
      .refine((text) => text.split(" ").includes("openid"), 'expected scopes with "openid"'),
    fallback: "openid email profile",
    doc: "scopes that are asked for, separated by spaces",
  },
  oidcGroups: {
    value: "GROUP=ORG:ROLE,...",
    variables: ["GRADIENT_OIDC_GROUPS"],
    schema: groupsSchema,
    fallback: "",
    doc: "roles that members of the provider's groups (claim groups) get when they sign in; nothing is taken away",
  },
} as const;
