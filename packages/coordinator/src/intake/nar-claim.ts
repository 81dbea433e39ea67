import { UnprocessableError } from "../errors.ts";
import type { InspectedNar } from "./nar-inspection.ts";

/** What a worker says that it sends. */
export interface NarClaim {
  /** 52 characters of Nix base 32. */
  readonly narHash: string;
  readonly narSize: number;
}

/** Throws UnprocessableError when the NAR is not what was claimed. */
export function checkClaim(claim: NarClaim, found: InspectedNar): void {
  if (found.narSize !== claim.narSize) throw sizeMismatch(claim, found.narSize);
  if (found.narHash !== claim.narHash) {
    throw new UnprocessableError(
      `the NAR has hash sha256:${found.narHash}, not sha256:${claim.narHash} as announced: it was damaged or changed on the way`,
      { code: "nar_hash_mismatch" },
    );
  }
}

/** 422 `nar_size_mismatch`; `size` in bytes, as it was found. */
export function sizeMismatch(claim: NarClaim, size: number): UnprocessableError {
  return new UnprocessableError(`the NAR has ${size} bytes, not ${claim.narSize} as announced`, {
    code: "nar_size_mismatch",
  });
}
