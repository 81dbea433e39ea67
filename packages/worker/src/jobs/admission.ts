import type { AssignmentKind, Capabilities, Offer } from "@gradient/protocol";

/** What the worker is and does, as far as it matters for an offer. */
export interface AdmissionState {
  readonly capabilities: Capabilities;
  readonly systems: ReadonlySet<string>;
  readonly systemFeatures: ReadonlySet<string>;
  readonly maxConcurrentBuilds: number;
  readonly isDraining: boolean;
  /** Accepted assignments of each kind that still need their lane: builds that are uploading do not. */
  readonly running: Readonly<Record<AssignmentKind, number>>;
  /** Builds that are done but for their upload. */
  readonly uploading: number;
}

/** Derivations with this system are built by Nix itself, anywhere. */
const BUILTIN = "builtin";
/** As many as a coordinator gives out: a server that is slow, or answers nothing until git gives up, keeps the next fetch not waiting. */
const FETCH_LANE = 2;
const EVAL_LANE = 1;
/** Signing is quick; the bound only keeps a flood out. */
const SIGN_LANE = 32;
/** One after the other: it reads whole paths. */
const RESTORE_LANE = 1;
/** Outputs may lie on this disk for a while, but building goes no further ahead of the network. */
const MAX_UPLOADING = 64;

/** Why the offer is not taken, or null when it is. One more than can run is taken, so that it gets ready meanwhile. */
export function reasonToDecline(offer: Offer, state: AdmissionState): string | null {
  const { spec } = offer;
  if (state.isDraining) return "the worker is draining";
  if (!isCapable(spec.kind, state.capabilities))
    return `the worker does not take ${spec.kind} jobs`;
  if (spec.kind === "build") {
    if (spec.system !== BUILTIN && !state.systems.has(spec.system)) {
      return `the worker does not build for ${spec.system}`;
    }
    const lacking = spec.requiredFeatures.filter((feature) => !state.systemFeatures.has(feature));
    if (lacking.length > 0) return `the worker lacks the features ${lacking.join(", ")}`;
    if (state.uploading >= MAX_UPLOADING) {
      return `the worker still has to upload the outputs of ${state.uploading} builds`;
    }
  }
  const limit = laneOf(spec.kind, state) + 1;
  const running = state.running[spec.kind];
  return running < limit ? null : `the worker has ${running} ${spec.kind} jobs and takes ${limit}`;
}

/** How many of a kind run at a time. */
export function laneOf(kind: AssignmentKind, state: { maxConcurrentBuilds: number }): number {
  switch (kind) {
    case "fetch":
      return FETCH_LANE;
    case "eval":
      return EVAL_LANE;
    case "sign":
      return SIGN_LANE;
    case "restore":
      return RESTORE_LANE;
    case "build":
      return state.maxConcurrentBuilds;
  }
}

/** Signing goes with building; whoever has a store can look into it. */
function isCapable(kind: AssignmentKind, capabilities: Capabilities): boolean {
  switch (kind) {
    case "fetch":
      return capabilities.fetch;
    case "eval":
      return capabilities.eval;
    case "build":
    case "sign":
      return capabilities.build;
    case "restore":
      return true;
  }
}
