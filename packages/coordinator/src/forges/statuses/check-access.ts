import { SealError, type MasterKey } from "../../keys/master-key.ts";
import type { Integration } from "../../db/integration-repository.ts";
import type { OutboundClient, OutboundRequest } from "../../outbound/outbound-client.ts";
import { OutboundError } from "../../outbound/outbound-error.ts";
import { DEFAULT_ENDPOINTS } from "../forge-host.ts";
import { openSecret } from "../integrations.ts";
import { placeOf } from "../repository-place.ts";

const DEADLINE_MS = 15_000;

/** Why a forge would take no status of the repository's commits; null when it shows it to us. Changes nothing there. */
export async function checkForgeAccess(
  { masterKey, outbound }: { masterKey: MasterKey; outbound: OutboundClient },
  integration: Integration,
  repository: string,
): Promise<{ status: number | null; reason: string } | null> {
  try {
    const token = openSecret(masterKey, integration, "access token");
    const path = placeOf(repository)?.path;
    const request =
      token === null || path === undefined ? null : repositoryRequest(integration, token, path);
    if (request === null) {
      return fault(`integration "${integration.name}" cannot reach ${repository}`);
    }
    const { status } = await outbound.ask({ ...request, deadlineMs: DEADLINE_MS });
    return status < 300 ? null : { status, reason: `the forge answered ${status}` };
  } catch (error) {
    if (error instanceof OutboundError) return fault(error.message);
    if (error instanceof SealError) return fault("its access token cannot be opened");
    throw error;
  }
}

function fault(reason: string): { status: null; reason: string } {
  return { status: null, reason };
}

/** "Get a repository" of GitHub's REST API, `repoGet` of Gitea's and Forgejo's, and "Get a single project" of GitLab's. */
function repositoryRequest(
  { forge, endpoint_url }: Integration,
  token: string,
  path: string,
): OutboundRequest | null {
  const endpoint = (endpoint_url ?? DEFAULT_ENDPOINTS[forge])?.replace(/\/+$/, "");
  if (endpoint === undefined) return null;
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  switch (forge) {
    case "github":
      return { url: `${endpoint}/repos/${encoded}`, headers: { authorization: `Bearer ${token}` } };
    case "gitea":
    case "forgejo":
      return {
        url: `${endpoint}/api/v1/repos/${encoded}`,
        headers: { authorization: `token ${token}` },
      };
    case "gitlab":
      return {
        url: `${endpoint}/api/v4/projects/${encodeURIComponent(path)}`,
        headers: { "private-token": token },
      };
  }
}
