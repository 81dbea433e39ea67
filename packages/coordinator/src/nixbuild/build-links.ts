import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

const KEY_BYTES = 32;

/** Makes and checks links that show one build to whoever has them, until a time. They say nothing of anything else. */
export class BuildLinks {
  readonly #key: Uint8Array;
  readonly #now: () => number;

  /** `secret` signs other things, too; links have a key of their own that is derived from it. `now`: milliseconds since the epoch. */
  constructor(secret: Uint8Array, now: () => number) {
    this.#key = new Uint8Array(
      hkdfSync("sha256", secret, new Uint8Array(), "links to builds", KEY_BYTES),
    );
    this.#now = now;
  }

  /** Query of a link to the build; `expiresAt` in seconds since the epoch. */
  sign(build: number, expiresAt: number): string {
    return `expires=${expiresAt}&signature=${this.#signature(build, expiresAt).toString("base64url")}`;
  }

  /** Whether the link is ours, for this build, and not over. */
  isGood(build: number, expires: string, signature: string): boolean {
    if (!/^\d{1,12}$/.test(expires)) return false;
    const wanted = this.#signature(build, Number(expires));
    const given = Buffer.from(signature, "base64url");
    const isOurs = given.length === wanted.length && timingSafeEqual(given, wanted);
    return isOurs && Number(expires) * 1000 > this.#now();
  }

  #signature(build: number, expiresAt: number): Buffer {
    return createHmac("sha256", this.#key).update(`${build} ${expiresAt}`).digest();
  }
}
