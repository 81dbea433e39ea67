import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeToCoordinator, decodeToWorker, encode, FrameError } from "./codec.ts";
import { MAX_FRAME_BYTES } from "./shared.ts";
import { toCoordinatorSchema, type ToCoordinator } from "./to-coordinator.ts";
import { toWorkerSchema, type ToWorker } from "./to-worker.ts";

const assignment = "0198a000-0000-7000-8000-000000000001";
const organization = "0198a000-0000-7000-8000-000000000002";
const worker = "3b241101-e2bb-4255-8caf-4136c566a962";
const reference = { assignment, fencing: 7 };
const path = "/nix/store/ngv6ra2rnb93l65szrwjnsghbddxggqz-hello-2.12.1";
const facts = {
  path,
  narHash: "sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s",
  narSize: 120,
  references: [path],
  deriver: `${path}.drv`,
  ca: null,
  signatures: [],
};
const times = { acceptedAt: 1, startedAt: 2, stoppedAt: 3, uploadedAt: null };
const limits = { timeoutSeconds: 60, maxSilentSeconds: null, cores: 2, memoryBytes: null };

/** One example of each message; the tests below fail when a message has none. */
const toCoordinator: unknown[] = [
  {
    type: "hello",
    versions: { min: 1, max: 1 },
    features: [],
    worker,
    release: "0.1.0",
    publicKey: "w-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=",
    capabilities: { fetch: true, eval: true, build: true },
    systems: ["x86_64-linux"],
    systemFeatures: ["kvm"],
    maxConcurrentBuilds: 2,
    cores: 2,
    memoryBytes: 1024,
    nixVersion: "2.8.0",
    isDraining: false,
    assignments: [{ ...reference, state: "running" }],
  },
  { type: "auth", nonce: "n", tokens: [{ peer: organization, token: "t" }] },
  { type: "accept", ...reference },
  { type: "decline", ...reference, reason: "no room" },
  { type: "progress", ...reference, phase: "building", at: 1 },
  {
    type: "usage",
    builds: [{ ...reference, cpuMs: 12.5, memoryPeakBytes: 4096, storagePeakBytes: null }],
  },
  { type: "log", ...reference, offset: 0, text: "line\n" },
  {
    type: "eval-jobs",
    ...reference,
    sequence: 0,
    jobs: [
      { outcome: "derivation", attribute: ["a", "b.c"], drvPath: `${path}.drv` },
      { outcome: "error", attribute: [], error: "throws" },
    ],
    messages: [{ level: "Warning", text: "w" }],
  },
  {
    type: "result",
    ...reference,
    result: {
      kind: "build",
      outcome: "built",
      message: null,
      isGuess: false,
      outputs: [{ name: "out", facts }],
      missingInputs: [],
      times,
      usage: null,
      logBytes: 5,
    },
  },
  { type: "draining" },
  {
    type: "head",
    question: assignment,
    failure: null,
    commit: "a".repeat(40),
    hostKeys: ["example.org ssh-ed25519 AAAA"],
  },
];

const toWorker: unknown[] = [
  { type: "challenge", nonce: "n", peers: [organization] },
  {
    type: "welcome",
    version: 1,
    features: [],
    epoch: 1,
    transferToken: "t",
    authorized: [organization],
    failed: [{ peer: organization, reason: "wrong token" }],
    reconcile: [{ ...reference, action: "keep" }],
  },
  { type: "reject", code: "unauthorized", reason: "no valid token" },
  {
    type: "offer",
    ...reference,
    organization,
    leaseMs: 1000,
    spec: {
      kind: "build",
      attempt: 1,
      drvPath: `${path}.drv`,
      system: "x86_64-linux",
      requiredFeatures: [],
      limits,
    },
  },
  { type: "ack", ...reference, accepted: true, reason: null },
  { type: "log-ack", ...reference, offset: 5 },
  { type: "eval-ack", ...reference, sequence: 0 },
  { type: "cancel", ...reference, reason: "aborted" },
  { type: "leases", leases: [{ ...reference, remainingMs: 10 }] },
  {
    type: "resolve-head",
    question: assignment,
    organization,
    repository: "ssh://git@example.org/r.git",
    reference: "refs/heads/main",
    credentials: { sshPrivateKey: "key", knownHosts: "" },
  },
  { type: "refused", reason: "malformed" },
];

const typeOf = (message: unknown) => (message as { type: string }).type;

describe("frames", () => {
  test.each(toCoordinator.map((message) => [typeOf(message), message] as const))(
    "%s goes to the coordinator unchanged",
    (_, message) => {
      expect(decodeToCoordinator(encode(message as ToCoordinator))).toEqual(message);
    },
  );

  test.each(toWorker.map((message) => [typeOf(message), message] as const))(
    "%s goes to the worker unchanged",
    (_, message) => {
      expect(decodeToWorker(encode(message as ToWorker))).toEqual(message);
    },
  );

  test("every message has an example here", () => {
    const types = (options: readonly { shape: { type: { value: string } } }[]) =>
      options.map((option) => option.shape.type.value).toSorted();
    expect(toCoordinator.map(typeOf).toSorted()).toEqual(types(toCoordinatorSchema.options));
    expect(toWorker.map(typeOf).toSorted()).toEqual(types(toWorkerSchema.options));
  });

  test("a frame that is not JSON says so", () => {
    expect(() => decodeToCoordinator("{")).toThrow(/not JSON/);
  });

  test("a frame that is too large is refused before it is parsed", () => {
    expect(() => decodeToCoordinator("x".repeat(MAX_FRAME_BYTES + 1))).toThrow(/exceeds/);
  });

  test("a list that no message has is refused without looking at its elements", () => {
    const jobs = Array.from({ length: 100_000 }, () => 0);
    const frame = JSON.stringify({
      type: "eval-jobs",
      ...reference,
      sequence: 0,
      messages: [],
      jobs,
    });
    expect(() => decodeToCoordinator(frame)).toThrow(/more than 10000 elements/);
  });

  test("a refusal stays short, however much is wrong", () => {
    const jobs = Array.from({ length: 9000 }, () => 0);
    const frame = JSON.stringify({
      type: "eval-jobs",
      ...reference,
      sequence: 0,
      messages: [],
      jobs,
    });
    let message = "";
    try {
      decodeToCoordinator(frame);
    } catch (error) {
      message = String(error);
    }
    expect(message).toMatch(/and \d+ more/);
    expect(message.length).toBeLessThan(3000);
  });

  test("the refusal of a malformed frame names the field", () => {
    const frame = JSON.stringify({
      type: "progress",
      assignment: "no-uuid",
      fencing: 7,
      phase: "building",
      at: 1,
    });
    expect(() => decodeToCoordinator(frame)).toThrow(/assignment/);
  });

  test.each([0, -1, 1.5, Number.MAX_SAFE_INTEGER + 1])("%d is no fencing number", (fencing) => {
    expect(() =>
      decodeToCoordinator(JSON.stringify({ type: "accept", assignment, fencing })),
    ).toThrow(FrameError);
  });

  test("whatever arrives, the only error is FrameError", () => {
    const mutated = fc
      .tuple(fc.constantFrom(...toCoordinator), fc.nat(), fc.string())
      .map(([message, at, text]) => {
        const frame = JSON.stringify(message);
        const index = at % frame.length;
        return frame.slice(0, index) + text + frame.slice(index + 1);
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.string(), fc.json()), (frame) => {
        try {
          decodeToCoordinator(frame);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
    );
  });
});
