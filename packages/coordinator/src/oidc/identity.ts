import { z } from "zod";
import { OidcError } from "./errors.ts";

/** Who somebody is, as the provider says. (OpenID Connect Core 1.0, section 5.1) */
export interface Identity {
  issuer: string;
  subject: string;
  /** Lower case. */
  email: string;
  /** Whether the provider says that the address is not verified; many say nothing. */
  isEmailDoubtful: boolean;
  name: string | null;
  preferredUsername: string | null;
  /** Groups that the provider puts them into. (Not of the standard, and of most providers.) */
  groups: readonly string[];
}

const claimsSchema = z.object({
  iss: z.string().min(1),
  sub: z.string().min(1).max(255),
  email: z.string({ error: "no e-mail address; ask for the scope email" }),
  // Some providers send the text "true".
  email_verified: z.union([z.boolean(), z.string()]).optional(),
  name: z.string().optional(),
  preferred_username: z.string().optional(),
  groups: z.union([z.array(z.string()), z.string().transform((group) => [group])]).optional(),
});

/** Throws OidcError when the claims lack what an account needs. */
export function identityOf(claims: unknown): Identity {
  const parsed = claimsSchema.safeParse(claims);
  if (!parsed.success) {
    throw new OidcError(`the provider's claims lack something: ${z.prettifyError(parsed.error)}`);
  }
  const { iss, sub, email, email_verified: verified, name } = parsed.data;
  return {
    issuer: iss,
    subject: sub,
    email: email.toLowerCase(),
    isEmailDoubtful: verified !== undefined && String(verified) !== "true",
    name: name ?? null,
    preferredUsername: parsed.data.preferred_username ?? null,
    groups: parsed.data.groups ?? [],
  };
}
