import type { Clock } from "../clock.ts";

interface Attended {
  connections: number;
  /** When the last one was closed, milliseconds since the epoch. */
  leftAt: number;
}

/**
 * Who follows evaluations whose builds end with the connection that follows them. Connections are of this process; after a restart clients have as
 * long to come back as after a lost connection.
 */
export class Attendance {
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #attended = new Map<string, Attended>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.now();
  }

  /** Somebody follows the evaluation until the answer is disposed of. */
  attend(evaluation: string): Disposable {
    const attended = this.#attended.get(evaluation) ?? { connections: 0, leftAt: 0 };
    attended.connections += 1;
    this.#attended.set(evaluation, attended);
    let isHere = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHere) return;
        isHere = false;
        attended.connections -= 1;
        attended.leftAt = this.#clock.now();
      },
    };
  }

  /** Since when nobody follows it; null while somebody does. */
  desertedSince({ id, createdAt }: { id: string; createdAt: number }): number | null {
    const { connections, leftAt } = this.#attended.get(id) ?? { connections: 0, leftAt: 0 };
    return connections > 0 ? null : Math.max(leftAt, createdAt, this.#startedAt);
  }

  /** Forgets all that nobody follows but these. */
  keepOnly(evaluations: ReadonlySet<string>): void {
    for (const [id, { connections }] of this.#attended) {
      if (connections === 0 && !evaluations.has(id)) this.#attended.delete(id);
    }
  }
}
