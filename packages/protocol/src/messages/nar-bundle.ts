import { ProtocolError } from "../errors.ts";

/**
 * Several small NARs in one body (`PUT /proto/nars`), so that a thousand of them do not cost a thousand requests. For each: the hash of the NAR as
 * 52 characters of Nix base 32, its size and the number of compressed bytes as two 32-bit little-endian numbers, and the bytes, compressed with
 * zstd. Nothing stands before, between or behind them.
 */
export interface BundledNar {
  /** 52 characters of Nix base 32. */
  readonly narHash: string;
  /** Of the NAR, in bytes. */
  readonly narSize: number;
  /** The NAR, compressed with zstd. */
  readonly bytes: Uint8Array;
}

/** Larger NARs are not bundled. */
export const MAX_BUNDLED_NAR_BYTES = 64 * 1024;

/** A larger body is refused. */
export const MAX_NAR_BUNDLE_BYTES = 4 * 1024 * 1024;

const HASH_LENGTH = 52;
const HEADER_LENGTH = HASH_LENGTH + 8;
const NAR_HASH = /^[01][0-9a-df-np-sv-z]{51}$/;

/** The bundle is not what `BundledNar` describes. */
export class NarBundleError extends ProtocolError {
  override name = "NarBundleError";

  constructor(message: string) {
    super("bad_nar_bundle", message);
  }
}

/** In the order given. What the bytes are, and that the sizes are within the limits, is for the caller to see to. */
export function encodeNarBundle(nars: readonly BundledNar[]): Buffer {
  const parts = nars.flatMap(({ narHash, narSize, bytes }) => {
    const header = Buffer.alloc(HEADER_LENGTH);
    header.write(narHash, "latin1");
    header.writeUInt32LE(narSize, HASH_LENGTH);
    header.writeUInt32LE(bytes.length, HASH_LENGTH + 4);
    return [header, bytes];
  });
  return Buffer.concat(parts);
}

/** The NARs of a bundle, as views of it. What their bytes are is not looked at. Throws NarBundleError. */
export function decodeNarBundle(bundle: Buffer): BundledNar[] {
  const nars: BundledNar[] = [];
  for (let at = 0; at < bundle.length;) {
    const nar = decodeNar(bundle, at);
    nars.push(nar);
    at += HEADER_LENGTH + nar.bytes.length;
  }
  return nars;
}

function decodeNar(bundle: Buffer, at: number): BundledNar {
  const start = at + HEADER_LENGTH;
  if (start > bundle.length) throw new NarBundleError("the bundle of NARs ends inside of a header");
  const narHash = bundle.toString("latin1", at, at + HASH_LENGTH);
  if (!NAR_HASH.test(narHash)) {
    throw new NarBundleError(
      `byte ${at} of the bundle should begin a NAR's sha256 in Nix base 32, 52 characters`,
    );
  }
  const narSize = bundle.readUInt32LE(at + HASH_LENGTH);
  if (narSize > MAX_BUNDLED_NAR_BYTES) {
    throw new NarBundleError(
      `NAR sha256:${narHash} has ${narSize} bytes: more than ${MAX_BUNDLED_NAR_BYTES} are not bundled`,
    );
  }
  const end = start + bundle.readUInt32LE(at + HASH_LENGTH + 4);
  if (end > bundle.length) {
    throw new NarBundleError(`the bundle ends inside of NAR sha256:${narHash}`);
  }
  return { narHash, narSize, bytes: bundle.subarray(start, end) };
}
