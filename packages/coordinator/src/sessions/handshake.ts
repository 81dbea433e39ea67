import { randomBytes } from "node:crypto";
import { LINK_VERSIONS, PublicKey, SignatureError, type Hello } from "@gradient/protocol";
import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import { admitWorker, findActiveRegistrations } from "../db/worker-repository.ts";
import { authorize, type Authorization } from "./authorization.ts";
import type { Link } from "./link.ts";

/** A worker that has proved who it is. */
export interface AdmittedWorker {
  readonly hello: Hello;
  readonly version: number;
  readonly publicKey: PublicKey;
  readonly authorization: Authorization;
  /** Number of this session among all sessions of the worker. */
  readonly epoch: number;
}

export interface HandshakeOptions {
  readonly database: Database;
  readonly clock: Clock;
  /** For the whole handshake. */
  readonly deadlineMs: number;
}

/** hello, challenge, auth. Null when the worker was rejected or went away; it has been told why. */
export async function shakeHands(
  options: HandshakeOptions,
  link: Link,
): Promise<AdmittedWorker | null> {
  using _deadline = options.clock.after(options.deadlineMs, () => {
    link.reject("timeout", `the handshake took more than ${options.deadlineMs} ms`);
  });
  const hello = await readHello(link);
  if (hello === null) return null;
  const version = Math.min(hello.versions.max, LINK_VERSIONS.max);
  if (version < Math.max(hello.versions.min, LINK_VERSIONS.min)) {
    const { min, max } = LINK_VERSIONS;
    return reject(
      link,
      "version",
      `this coordinator speaks versions ${min} to ${max} of the link, the worker ${hello.versions.min} to ${hello.versions.max}: upgrade the older one`,
    );
  }
  const publicKey = readKey(hello);
  if (publicKey === null) {
    return reject(
      link,
      "malformed",
      "publicKey of hello is no public key in Nix's format (name:base64)",
    );
  }
  const authorization = await challenge(options.database, link, hello);
  if (authorization === null) return null;
  const { worker } = hello;
  const now = options.clock.now();
  const admission = await options.database.transaction(({ kysely }) =>
    admitWorker(kysely, worker, publicKey.toString(), hello, now),
  );
  if (!admission.isAdmitted) {
    return reject(
      link,
      "key-changed",
      `worker ${worker} had another signing key before; an administrator has to approve the new one '${publicKey.keyName}'`,
    );
  }
  return { hello, version, publicKey, authorization, epoch: admission.epoch };
}

async function readHello(link: Link): Promise<Hello | null> {
  const message = await link.next();
  if (message === null) return null;
  if (message.type === "hello") return message;
  return reject(link, "malformed", `the first message has to be hello, not ${message.type}`);
}

function readKey(hello: Hello): PublicKey | null {
  try {
    return PublicKey.parse(hello.publicKey);
  } catch (error) {
    if (error instanceof SignatureError) return null;
    throw error;
  }
}

async function challenge(
  database: Database,
  link: Link,
  hello: Hello,
): Promise<Authorization | null> {
  const { worker } = hello;
  const registrations = await findActiveRegistrations(database.kysely, worker);
  if (registrations.length === 0) {
    return reject(
      link,
      "unknown-worker",
      `no organization has registered worker ${worker}: register it and give the worker the token`,
    );
  }
  const nonce = newNonce();
  link.send({
    type: "challenge",
    nonce,
    peers: registrations.map(({ organization }) => organization),
  });
  const answer = await link.next();
  if (answer === null) return null;
  if (answer.type !== "auth" || answer.nonce !== nonce) {
    return reject(
      link,
      "malformed",
      "the answer to a challenge has to be auth with the challenge's nonce",
    );
  }
  // Read again: what was withdrawn meanwhile does not count.
  const current = await findActiveRegistrations(database.kysely, worker);
  const authorization = authorize(current, answer.tokens);
  if (authorization.granted.length > 0) return authorization;
  const reasons = authorization.failed.map(({ peer, reason }) => `${peer}: ${reason}`).join("; ");
  return reject(link, "unauthorized", `no token was valid (${reasons})`);
}

/** 128 bits of chance in base64url: an answer to an earlier challenge does not fit. */
export function newNonce(): string {
  return randomBytes(16).toString("base64url");
}

function reject(link: Link, code: Parameters<Link["reject"]>[0], reason: string): null {
  link.reject(code, reason);
  return null;
}
