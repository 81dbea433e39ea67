import { createHash, timingSafeEqual } from "node:crypto";
import type { Capabilities, OrganizationId } from "@gradient/protocol";
import type { Registration } from "../db/worker-repository.ts";

/** What a worker's tokens entitle it to. An organization that is not in the list gets nothing done by it; an empty list means nothing at all. */
export interface Authorization {
  readonly granted: readonly Registration[];
  readonly failed: readonly { peer: OrganizationId; reason: string }[];
}

export const NOTHING: Authorization = { granted: [], failed: [] };

export type ShownToken = { readonly peer: OrganizationId; readonly token: string };

/** The one place that decides whose work a worker may get. */
export function authorize(
  registrations: readonly Registration[],
  tokens: readonly ShownToken[],
): Authorization {
  const granted: Registration[] = [];
  const failed: { peer: OrganizationId; reason: string }[] = [];
  for (const registration of registrations) {
    const peer = registration.organization;
    const shown = tokens.filter((token) => token.peer === peer);
    if (shown.length === 0) failed.push({ peer, reason: "no token was shown" });
    else if (shown.some(({ token }) => isToken(token, registration.tokenHash)))
      granted.push(registration);
    else failed.push({ peer, reason: "the token is not valid" });
  }
  return { granted, failed };
}

/** What is left of an authorization when registrations have changed: only what is still there with the same token. */
export function restrict(
  authorization: Authorization,
  registrations: readonly Registration[],
): Authorization {
  const granted = registrations.filter((registration) =>
    authorization.granted.some(
      (old) =>
        old.organization === registration.organization && old.tokenHash === registration.tokenHash,
    ),
  );
  return { granted, failed: authorization.failed };
}

/** Organizations whose work of a kind the worker may get: granted, switched on in the registration, and within its capabilities. */
export function organizationsFor(
  authorization: Authorization,
  capabilities: Capabilities,
  kind: "fetch" | "eval" | "build",
): ReadonlySet<OrganizationId> {
  if (!capabilities[kind]) return new Set();
  const isEnabled = {
    fetch: (registration: Registration) => registration.isFetchEnabled,
    eval: (registration: Registration) => registration.isEvalEnabled,
    build: (registration: Registration) => registration.isBuildEnabled,
  }[kind];
  return new Set(authorization.granted.filter(isEnabled).map(({ organization }) => organization));
}

function isToken(token: string, tokenHash: string): boolean {
  const shown = createHash("sha256").update(token).digest();
  const expected = Buffer.from(tokenHash, "hex");
  return shown.length === expected.length && timingSafeEqual(shown, expected);
}
