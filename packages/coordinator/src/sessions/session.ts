import { randomBytes } from "node:crypto";
import {
  LINK_FEATURES,
  type Capabilities,
  type OrganizationId,
  type PublicKey,
  type ToWorker,
  type Welcome,
  type WorkerId,
} from "@gradient/protocol";
import { sha256Hex } from "../auth/random-token.ts";
import type { ConnectedWorker } from "../queue/fleet.ts";
import { NOTHING, organizationsFor, type Authorization } from "./authorization.ts";
import type { AdmittedWorker } from "./handshake.ts";
import type { Link } from "./link.ts";

/** One authenticated connection of a worker. */
export class Session implements ConnectedWorker {
  readonly id: WorkerId;
  readonly epoch: number;
  readonly publicKey: PublicKey;
  readonly capabilities: Capabilities;
  readonly systems: ReadonlySet<string>;
  readonly features: ReadonlySet<string>;
  readonly maxConcurrentBuilds: number;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly linkFeatures: ReadonlySet<string>;
  readonly link: Link;
  readonly #version: number;
  /** Bearer token for bulk transfers, as long as the session lasts. */
  readonly #transferToken = randomBytes(32).toString("base64url");
  #authorization: Authorization;
  #organizations: Record<"fetch" | "eval" | "build", ReadonlySet<OrganizationId>>;
  #isDraining: boolean;
  #pausedUntil = 0;
  /** Offers in a row that it did not take. */
  #declined = 0;
  #answers: Promise<void> = Promise.resolve();
  #isWelcomed = false;
  /** Of a challenge that was not answered yet. */
  nonce: string | null = null;
  /** It has answered a challenge with no valid token. */
  isRefused = false;

  constructor(link: Link, admitted: AdmittedWorker) {
    const { hello } = admitted;
    this.link = link;
    this.id = hello.worker;
    this.epoch = admitted.epoch;
    this.publicKey = admitted.publicKey;
    this.capabilities = hello.capabilities;
    this.systems = new Set(hello.systems);
    this.features = new Set(hello.systemFeatures);
    this.maxConcurrentBuilds = hello.maxConcurrentBuilds;
    this.cores = hello.cores;
    this.memoryBytes = hello.memoryBytes;
    this.linkFeatures = new Set(hello.features);
    this.#version = admitted.version;
    this.#isDraining = hello.isDraining;
    this.#authorization = NOTHING;
    this.#organizations = { fetch: new Set(), eval: new Set(), build: new Set() };
    this.authorization = admitted.authorization;
  }

  get authorization(): Authorization {
    return this.#authorization;
  }

  set authorization(authorization: Authorization) {
    this.#authorization = authorization;
    this.#organizations = {
      fetch: organizationsFor(authorization, this.capabilities, "fetch"),
      eval: organizationsFor(authorization, this.capabilities, "eval"),
      build: organizationsFor(authorization, this.capabilities, "build"),
    };
  }

  /** Before the end of the handshake it gets nothing else. */
  get isWelcomed(): boolean {
    return this.#isWelcomed;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get pausedUntil(): number {
    return this.#pausedUntil;
  }

  /** Every organization that the worker is authorized by. */
  get authorized(): ReadonlySet<OrganizationId> {
    return new Set(this.#authorization.granted.map(({ organization }) => organization));
  }

  /** SHA-256, hexadecimal, of the transfer token. */
  get transferTokenHash(): string {
    return sha256Hex(this.#transferToken);
  }

  organizationsFor(kind: "fetch" | "eval" | "build"): ReadonlySet<OrganizationId> {
    return this.#organizations[kind];
  }

  drain(): void {
    this.#isDraining = true;
  }

  /** It took an offer. */
  accepted(): void {
    this.#declined = 0;
  }

  /** It did not take an offer, and gets none for a while: twice as long each time in a row. Returns how many milliseconds are left of it. */
  declined(now: number, pause: { firstMs: number; mostMs: number }): number {
    // Offered together with the one before.
    if (now < this.#pausedUntil) return this.#pausedUntil - now;
    const pauseMs = Math.min(pause.mostMs, pause.firstMs * 2 ** this.#declined);
    this.#declined += 1;
    this.#pausedUntil = now + pauseMs;
    return pauseMs;
  }

  send(message: ToWorker): void {
    this.link.send(message);
  }

  /** Sends an answer that waits for something, behind the answers that wait already. It is not sent when the wait fails. */
  sendAfter(wait: Promise<void>, message: ToWorker): Promise<void> {
    const sent = Promise.all([wait, this.#answers]).then(() => this.send(message));
    this.#answers = sent.catch(() => undefined);
    return sent;
  }

  /** Resolves when no answer waits any more. */
  get answered(): Promise<void> {
    return this.#answers;
  }

  /** Ends a challenge. Only for a session that is authorized by somebody. */
  welcome(reconcile: Welcome["reconcile"]): void {
    this.#isWelcomed = true;
    this.link.admit();
    const { granted, failed } = this.#authorization;
    this.send({
      type: "welcome",
      version: this.#version,
      features: [...LINK_FEATURES],
      epoch: this.epoch,
      transferToken: this.#transferToken,
      authorized: granted.map(({ organization }) => organization),
      failed: [...failed],
      reconcile,
    });
  }
}
