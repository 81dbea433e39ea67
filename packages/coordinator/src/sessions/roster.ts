import type { WorkerId } from "@gradient/protocol";
import { sha256Hex } from "../auth/random-token.ts";
import type { Fleet } from "../queue/fleet.ts";
import type { Session } from "./session.ts";

/** Who is connected: one session for each worker, the newest. */
export class Roster implements Fleet {
  readonly #sessions = new Map<WorkerId, Session>();
  /** By the hash of their transfer token: a lookup then tells nothing about other tokens. */
  readonly #byToken = new Map<string, Session>();

  /** Sessions whose handshake is over. */
  *connected(): Generator<Session> {
    for (const session of this.#sessions.values()) {
      if (session.isWelcomed) yield session;
    }
  }

  find(worker: WorkerId): Session | null {
    const session = this.#sessions.get(worker);
    return session?.isWelcomed === true ? session : null;
  }

  /** Also a session whose handshake is not over yet. */
  findAny(worker: WorkerId): Session | null {
    return this.#sessions.get(worker) ?? null;
  }

  findByTransferToken(token: string): Session | null {
    return this.#byToken.get(sha256Hex(token)) ?? null;
  }

  /** Puts a session in the place of an older one, which is rejected. False when a newer one is there. */
  enter(session: Session): boolean {
    const older = this.#sessions.get(session.id);
    if (older !== undefined && older.epoch > session.epoch) return false;
    if (older !== undefined) {
      this.leave(older);
      older.link.reject("superseded", "a newer connection of this worker took over");
    }
    this.#sessions.set(session.id, session);
    this.#byToken.set(session.transferTokenHash, session);
    return true;
  }

  /** False when another session had taken its place. */
  leave(session: Session): boolean {
    this.#byToken.delete(session.transferTokenHash);
    if (this.#sessions.get(session.id) !== session) return false;
    this.#sessions.delete(session.id);
    return true;
  }
}
