import type { OrganizationId } from "@gradient/protocol";
import { isQualified, type BuildSeat } from "./choose-worker.ts";
import type { Demand } from "./demand.ts";

/** Why an evaluation cannot go on (contract: waiting_reason of Gradient's evaluations). */
export type WaitingReason =
  | { kind: "no_cache" }
  | { kind: "cache_storage_full" }
  | { kind: "draining" }
  | { kind: "approval"; pr_number: number; pr_author: string }
  | { kind: "eval_workers"; capability: "fetch" | "eval"; connected_workers: number }
  | {
      kind: "workers";
      unmet: { architecture: string; required_features: string[]; build_count: number }[];
      connected_workers: number;
      available_architectures: string[];
    };

/** Caches that an organization publishes in: none, one of them is full, or all have room. */
export type CacheState = "none" | "full" | "ready";

/** A connected worker, as far as the question "who could do this" goes. */
export interface FleetMember {
  readonly seat: BuildSeat;
  readonly fetchFor: ReadonlySet<OrganizationId>;
  readonly evalFor: ReadonlySet<OrganizationId>;
  /** Can replace inputs of a flake. */
  readonly overridesInputs: boolean;
}

/** What an evaluation needs next. `builds` are the queued ones; `hasRunning` says that something goes on anyway. */
export type EvaluationNeed =
  | { phase: "fetch" }
  | { phase: "eval"; overridesInputs: boolean }
  | {
      phase: "building";
      builds: {
        system: string;
        requiredFeatures: string[];
        demand: Demand;
        count: number;
      }[];
      hasRunning: boolean;
    };

/** null when somebody who is connected could go on with it, however busy they are now. */
export function waitingReason(
  organization: OrganizationId,
  need: EvaluationNeed,
  caches: CacheState,
  fleet: readonly FleetMember[],
): WaitingReason | null {
  if (caches === "none") return { kind: "no_cache" };
  // What is being built is still stored: it would have to be built again.
  if (caches === "full" && need.phase !== "building") return { kind: "cache_storage_full" };
  const connected = fleet.filter((member) => servesOrganization(member, organization));
  if (need.phase !== "building") {
    const isPossible = connected.some((member) => canFetchOrEval(member, organization, need));
    return isPossible
      ? null
      : { kind: "eval_workers", capability: need.phase, connected_workers: connected.length };
  }
  const unmet = need.builds.filter(
    (builds) => !connected.some(({ seat }) => isQualified(seat, { organization, ...builds })),
  );
  // As long as one build can go on, the evaluation does.
  if (unmet.length === 0 || unmet.length < need.builds.length || need.hasRunning) return null;
  return {
    kind: "workers",
    unmet: unmet.map(({ system, requiredFeatures, count }) => ({
      architecture: system,
      required_features: requiredFeatures,
      build_count: count,
    })),
    connected_workers: connected.length,
    available_architectures: [
      ...new Set(connected.flatMap(({ seat }) => [...seat.systems])),
    ].toSorted(),
  };
}

/** While nothing is given out: what runs goes on to its end, and everything else waits. */
export function drainingReason(need: EvaluationNeed): WaitingReason | null {
  if (need.phase !== "building") return { kind: "draining" };
  return need.hasRunning || need.builds.length === 0 ? null : { kind: "draining" };
}

function canFetchOrEval(
  member: FleetMember,
  organization: OrganizationId,
  need: Exclude<EvaluationNeed, { phase: "building" }>,
): boolean {
  if (need.phase === "fetch") return member.fetchFor.has(organization);
  return member.evalFor.has(organization) && (member.overridesInputs || !need.overridesInputs);
}

function servesOrganization(member: FleetMember, organization: OrganizationId): boolean {
  return (
    member.fetchFor.has(organization) ||
    member.evalFor.has(organization) ||
    member.seat.organizations.has(organization)
  );
}
