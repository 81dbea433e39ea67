import {
  assignmentIdSchema,
  fencingSchema,
  offerSchema,
  organizationIdSchema,
  type Offer,
  type RestoreSpec,
} from "@gradient/protocol";
import { v7 } from "uuid";
import type { JournalRecord } from "../journal/record.ts";

export const ORGANIZATION = organizationIdSchema.parse("0a0a0a0a-0000-4000-8000-000000000001");
export const TOKEN = "t".repeat(64);

/** A store path with this name; different names have different hashes. */
export function storePath(name: string): string {
  const hash = Buffer.from(name).reduce((sum, byte) => (sum * 31 + byte) % 1e9, 7);
  return `/nix/store/${String(hash).padStart(32, "0")}-${name}`;
}

/** Offers with ids and rising fencing numbers of their own. */
export class Offers {
  #fencing = 0;

  build(drvPath: string, change: Record<string, unknown> = {}): Offer {
    return this.#offer({
      kind: "build",
      attempt: 1,
      drvPath,
      system: "x86_64-linux",
      requiredFeatures: [],
      limits: { timeoutSeconds: null, maxSilentSeconds: null, cores: null, memoryBytes: null },
      ...change,
    });
  }

  fetch(repository: string, change: Record<string, unknown> = {}): Offer {
    return this.#offer({
      kind: "fetch",
      evaluation: v7(),
      repository,
      reference: null,
      commit: null,
      credentials: null,
      ...change,
    });
  }

  eval(source: string): Offer {
    return this.#offer({
      kind: "eval",
      evaluation: v7(),
      source,
      pattern: "*",
      timeoutSeconds: 60,
    });
  }

  sign(paths: readonly string[]): Offer {
    return this.#offer({ kind: "sign", paths });
  }

  restore(paths: RestoreSpec["paths"], isTrial: boolean): Offer {
    return this.#offer({ kind: "restore", paths, isTrial });
  }

  #offer(spec: unknown): Offer {
    this.#fencing += 1;
    return offerSchema.parse({
      type: "offer",
      assignment: v7(),
      fencing: this.#fencing,
      organization: ORGANIZATION,
      leaseMs: 600_000,
      spec,
    });
  }
}

/** The journal's record of an offer. */
export function recordOf(offer: Offer): JournalRecord {
  const { assignment, fencing, organization, spec } = offer;
  return {
    assignment: assignmentIdSchema.parse(assignment),
    fencing: fencingSchema.parse(fencing),
    organization,
    acceptedAt: 1000,
    leaseMs: 600_000,
    spec,
  };
}
