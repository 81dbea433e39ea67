import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Forge } from "../../db/forge-tables.ts";

/** A header of the request by its name in lower case. */
export type HeaderOf = (name: string) => string | null;

/**
 * Whether the request knows the secret: by an HMAC-SHA256 over the body as it came, or, GitLab, by showing it. Forgejo also sends Gitea's
 * headers, and both GitHub's; the forge's own counts where it is there. In time that tells nothing of the secret.
 */
export function isSigned(forge: Forge, secret: string, body: Buffer, header: HeaderOf): boolean {
  if (forge === "gitlab") return isEqual(header("x-gitlab-token") ?? "", secret);
  const shown = signatureOf(forge, header);
  if (shown === null) return false;
  return isEqual(shown, createHmac("sha256", secret).update(body).digest("hex"));
}

function signatureOf(forge: Exclude<Forge, "gitlab">, header: HeaderOf): string | null {
  const github = header("x-hub-signature-256")?.replace(/^sha256=/, "") ?? null;
  switch (forge) {
    case "github":
      return github;
    case "gitea":
      return header("x-gitea-signature") ?? github;
    case "forgejo":
      return header("x-forgejo-signature") ?? header("x-gitea-signature") ?? github;
  }
}

function isEqual(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Name of the event, as the forge has it. */
export function eventOf(forge: Forge, header: HeaderOf): string {
  const name = {
    github: () => header("x-github-event"),
    gitea: () => header("x-gitea-event"),
    forgejo: () => header("x-forgejo-event") ?? header("x-gitea-event"),
    gitlab: () => header("x-gitlab-event"),
  }[forge]();
  return name ?? "";
}

const MAX_DELIVERY_LENGTH = 200;

/** What the forge calls this delivery, the same when it is sent again; null when it does not say. */
export function deliveryOf(forge: Forge, header: HeaderOf): string | null {
  const id = {
    github: () => header("x-github-delivery"),
    gitea: () => header("x-gitea-delivery"),
    forgejo: () => header("x-forgejo-delivery") ?? header("x-gitea-delivery"),
    gitlab: () => header("idempotency-key") ?? header("x-gitlab-event-uuid"),
  }[forge]();
  return id === null || id === "" ? null : id.slice(0, MAX_DELIVERY_LENGTH);
}
