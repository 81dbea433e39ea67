import type { Forge } from "../../db/forge-tables.ts";
import type { OutboundRequest } from "../../outbound/outbound-client.ts";
import { DEFAULT_ENDPOINTS } from "../forge-host.ts";

/** What a forge is told of a commit. */
export type ReportedState = "pending" | "success" | "failure" | "error";

export interface CommitStatus {
  /** 40 hexadecimal digits. */
  readonly revision: string;
  /** `owner/name` of the repository. */
  readonly path: string;
  readonly state: ReportedState;
  /** Where somebody who wants to know more is led. */
  readonly targetUrl: string;
  readonly description: string;
  /** Tells this status apart from those of others; a newer one of the same name takes its place. */
  readonly context: string;
}

/**
 * The request that sets a commit's status: "Create a commit status" of GitHub's REST API, `repoCreateStatus` of Gitea's and Forgejo's, and
 * "Set commit pipeline status" of GitLab's. Null when nobody knows where the forge is.
 */
export function statusRequest(
  at: { forge: Forge; endpoint: string | null; token: string },
  status: CommitStatus,
): OutboundRequest | null {
  const { forge, token } = at;
  const endpoint = (at.endpoint ?? DEFAULT_ENDPOINTS[forge])?.replace(/\/+$/, "");
  if (endpoint === undefined) return null;
  const { revision, state, targetUrl, description, context } = status;
  const path = status.path.split("/").map(encodeURIComponent).join("/");
  const body = { state, target_url: targetUrl, description, context };
  switch (forge) {
    case "github":
      return post(`${endpoint}/repos/${path}/statuses/${revision}`, body, {
        authorization: `Bearer ${token}`,
        accept: "application/vnd.github+json",
      });
    case "gitea":
    case "forgejo":
      return post(`${endpoint}/api/v1/repos/${path}/statuses/${revision}`, body, {
        authorization: `token ${token}`,
      });
    case "gitlab": {
      const project = encodeURIComponent(status.path);
      const url = `${endpoint}/api/v4/projects/${project}/statuses/${revision}`;
      return post(url, { ...body, state: GITLAB_STATES[state] }, { "private-token": token });
    }
  }
}

const GITLAB_STATES = {
  pending: "pending",
  success: "success",
  failure: "failed",
  error: "canceled",
} as const satisfies Record<ReportedState, string>;

function post(url: string, body: object, headers: Record<string, string>): OutboundRequest {
  return {
    url,
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
    maxBytes: 256 * 1024,
  };
}
