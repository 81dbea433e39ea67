import { audit } from "../accounts/audit.ts";
import type { ApiKey } from "../db/api-key-repository.ts";
import type { Queries } from "../db/client.ts";

/** Of the same key from the same address, one refusal in so long is told. */
const QUIET_MS = 60_000;
const MAX_REMEMBERED = 10_000;

/** Tells owners of API keys when a key of theirs was refused: perhaps somebody else has it. What tries again and again does not fill the trail. */
export class Denials {
  readonly #toldAt = new Map<string, number>();

  /** `now` in milliseconds since the epoch. The same key from the same address is told of once in a while. */
  async tell(db: Queries, key: ApiKey, address: string, now: number): Promise<void> {
    const which = `${key.id} ${address}`;
    if (now - (this.#toldAt.get(which) ?? -Infinity) < QUIET_MS) return;
    if (this.#toldAt.size >= MAX_REMEMBERED) this.#toldAt.clear();
    this.#toldAt.set(which, now);
    const actor = { userId: key.user_id, apiKeyId: key.id, ip: address, userAgent: null };
    await audit(db, { event: "auth.deny", actor, subject: key.name }, now);
  }
}
