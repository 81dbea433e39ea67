import { z } from "zod";
import type { Queries } from "../../db/client.ts";
import {
  findInbound,
  listInboundGitHub,
  type Integration,
} from "../../db/integration-repository.ts";
import type { Forge } from "../../db/forge-tables.ts";
import type { MasterKey } from "../../keys/master-key.ts";
import { isFrom, refusedHook, type Hook } from "./take-hook.ts";

/** A repository of many organizations on one server; each costs a signature. */
const MAX_CANDIDATES = 20;

/** The integration that the webhook's address names, if it was made with its secret. Throws UnauthorizedError. */
export async function namedIntegration(
  { db, masterKey }: { db: Queries; masterKey: MasterKey },
  of: { forge: Forge; organization: string; name: string },
  hook: Hook,
): Promise<Integration> {
  const integration = await findInbound(db, of);
  if (integration === undefined || !isFrom(masterKey, integration, hook)) throw refusedHook();
  return integration;
}

/**
 * The GitHub integrations that the webhook was made with, when its address names none: those of the projects of its repository are looked at.
 * The body is read before its signature is checked, but only its repository's addresses, which decide nothing but whose secret is tried.
 * Throws UnauthorizedError.
 */
export async function githubIntegrations(
  { db, masterKey }: { db: Queries; masterKey: MasterKey },
  hook: Hook,
): Promise<Integration[]> {
  const candidates = await listInboundGitHub(db, addressesIn(hook.body), MAX_CANDIDATES);
  const signed = candidates.filter((integration) => isFrom(masterKey, integration, hook));
  if (signed.length === 0) throw refusedHook();
  return signed;
}

const payload = z.object({
  repository: z.object({
    clone_url: z.string().max(2000),
    ssh_url: z.string().max(2000).nullish(),
    html_url: z.string().max(2000).nullish(),
  }),
});

/** As a project may have them: with `.git` and without, by the host's own protocol and by ssh. */
function addressesIn(body: Buffer): string[] {
  const { clone_url, ssh_url, html_url } = readAddresses(body);
  const found = [clone_url, ssh_url, html_url].filter((each) => typeof each === "string");
  const ssh = typeof ssh_url === "string" ? /^([^:/]+@[^:/]+):(.+)$/.exec(ssh_url) : null;
  if (ssh !== null) found.push(`ssh://${ssh[1]}/${ssh[2]}`);
  const bare = found.map((each) => each.replace(/\.git$/, ""));
  return [...new Set(bare.flatMap((each) => [each, `${each}.git`, `${each}/`]))];
}

function readAddresses(body: Buffer): z.infer<typeof payload>["repository"] {
  try {
    return payload.parse(JSON.parse(body.toString("utf8"))).repository;
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof z.ZodError) throw refusedHook();
    throw cause;
  }
}
