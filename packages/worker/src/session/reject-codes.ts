import type { Reject } from "@gradient/protocol";

/** What whoever operates the worker can do about each refusal. */
export const REJECT_ADVICE = {
  malformed: "worker and coordinator do not understand each other; update the older of the two",
  version:
    "the coordinator speaks no version of the link that this worker does; update the older of the two",
  unauthorized: "no token was accepted; compare the peers file with the worker's registrations",
  "unknown-worker":
    "no organization has registered this worker id; register it ('gradient-worker id' prints it)",
  "key-changed":
    "the worker's signing key is not the one it first connected with; an administrator has to approve the new one, or restore the old 'signing-key' file",
  superseded:
    "another machine connects with this worker's id: give each its own state directory and its own 'worker-id'; until then they take the place from each other ever more rarely",
  timeout: "the handshake took too long; the machine or the network is overloaded",
} as const satisfies Record<Reject["code"], string>;
