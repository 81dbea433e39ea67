import { createHash } from "node:crypto";
import { encodeNix32, NarError, NarReader, ReferenceScanner } from "@gradient/protocol/nar";
import { UnprocessableError } from "../errors.ts";
import type { NamedProduct } from "../nar-contents/build-products.ts";
import { ProductsProbe } from "../nar-contents/products-probe.ts";

/** More runs that could be references are not kept with an object; it is scanned again when they are needed. */
const MAX_FOUND_HASHES = 4096;

/** What the bytes of a NAR say of it. */
export interface InspectedNar {
  /** 52 characters of Nix base 32. */
  readonly narHash: string;
  readonly narSize: number;
  /** Every run of 32 characters that could be a reference; null when there were too many. */
  readonly foundHashes: readonly string[] | null;
  /** What its hydra-build-products file names. */
  readonly buildProducts: readonly NamedProduct[];
}

/** Takes a NAR piece by piece: checks its structure, hashes it, looks for references and for build products. Holds none of its contents. */
export class NarInspection {
  readonly #maxBytes: number;
  readonly #hash = createHash("sha256");
  readonly #reader: NarReader;
  readonly #products = new ProductsProbe();
  readonly #references = new ReferenceScanner(MAX_FOUND_HASHES);
  #size = 0;

  /** Bytes beyond `maxBytes` are refused before they are looked at. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#reader = new NarReader(this.#products, { maxNarSize: maxBytes });
  }

  /** Throws UnprocessableError for bytes that are no NAR. */
  write(bytes: Uint8Array): void {
    this.#size += bytes.length;
    if (this.#size > this.#maxBytes) {
      throw new UnprocessableError(
        `the NAR is larger than the ${this.#maxBytes} bytes that were announced`,
        {
          code: "nar_size_mismatch",
        },
      );
    }
    refuseBadNar(() => this.#reader.write(bytes));
    this.#hash.update(bytes);
    this.#references.write(bytes);
  }

  /** Throws UnprocessableError for a NAR that is not complete. */
  finish(): InspectedNar {
    refuseBadNar(() => this.#reader.end());
    const foundHashes = this.#references.overflowed ? null : [...this.#references.found()];
    return {
      narHash: encodeNix32(this.#hash.digest()),
      narSize: this.#size,
      foundHashes,
      buildProducts: this.#products.products(),
    };
  }
}

function refuseBadNar(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof NarError)) throw error;
    throw new UnprocessableError(error.message, { code: "bad_nar", cause: error });
  }
}
