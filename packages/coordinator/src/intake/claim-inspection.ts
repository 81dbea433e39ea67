import { UnprocessableError } from "../errors.ts";
import { NarInspection, type InspectedNar } from "./nar-inspection.ts";

/** What a worker says that it sends. */
export interface NarClaim {
  /** 52 characters of Nix base 32. */
  readonly narHash: string;
  readonly narSize: number;
}

/** Takes a NAR piece by piece, tells what it is, and holds it against what was claimed. */
export class ClaimInspection {
  readonly #claim: NarClaim;
  readonly #inspection: NarInspection;

  constructor(claim: NarClaim) {
    this.#claim = claim;
    this.#inspection = new NarInspection(claim.narSize);
  }

  write(piece: Uint8Array): void {
    this.#inspection.write(piece);
  }

  finish(): InspectedNar {
    const claim = this.#claim;
    const found = this.#inspection.finish();
    if (found.narSize !== claim.narSize) throw sizeMismatch(claim, found.narSize);
    if (found.narHash !== claim.narHash) {
      throw new UnprocessableError(
        `the NAR has hash sha256:${found.narHash}, not sha256:${claim.narHash} as announced: it was damaged or changed on the way`,
        { code: "nar_hash_mismatch" },
      );
    }
    return found;
  }
}

export function sizeMismatch(claim: NarClaim, size: number): UnprocessableError {
  return new UnprocessableError(`the NAR has ${size} bytes, not ${claim.narSize} as announced`, {
    code: "nar_size_mismatch",
  });
}
