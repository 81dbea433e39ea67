import { WebSocket } from "ws";
import { reasonOf } from "../error-facts.ts";
import type { Findings } from "./finding.ts";

const TIMEOUT_MS = 10_000;
/** The header tells whole seconds, and the answer takes a moment. */
const MAX_SKEW_MS = 30_000;

/** Whether the coordinator answers, on the worker's own way to it and without credentials, and what time it has there. */
export async function checkCoordinator(findings: Findings, server: URL | null): Promise<void> {
  if (server === null) {
    findings.ok("link", "none is configured: this worker builds and evaluates alone");
    return;
  }
  const problem = await dial(server);
  if (problem === null) findings.ok("link", `${server.href} answers`);
  else {
    findings.failure(
      "link",
      `${server.href} does not answer as a coordinator: ${problem}`,
      "see that the coordinator runs, that --server is its address (wss where TLS is spoken, ws where not), and that proxies and firewalls let WebSockets through",
    );
  }
  await checkClock(findings, server);
}

/** Opens a WebSocket and hangs up. Resolves to what is wrong, or null. */
async function dial(server: URL): Promise<string | null> {
  const socket = new WebSocket(server, { handshakeTimeout: TIMEOUT_MS, perMessageDeflate: false });
  try {
    return await new Promise((resolve) => {
      socket.once("open", () => resolve(null));
      socket.once("error", (error) => resolve(reasonOf(error)));
    });
  } finally {
    socket.on("error", () => {});
    socket.terminate();
  }
}

async function checkClock(findings: Findings, server: URL): Promise<void> {
  const skewMs = await clockSkew(server);
  if (skewMs === null) return;
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  if (Math.abs(skewMs) <= MAX_SKEW_MS) {
    findings.ok("clock", "this machine and the coordinator agree on the time");
    return;
  }
  const direction = skewMs > 0 ? "ahead of" : "behind";
  findings.warning(
    "clock",
    `this machine is ${seconds} s ${direction} the coordinator`,
    "synchronise the clocks of both machines (NTP)",
  );
}

/** How far our clock is ahead, in milliseconds; null when the server tells no time. */
async function clockSkew(server: URL): Promise<number | null> {
  const address = `${server.protocol === "wss:" ? "https:" : "http:"}//${server.host}/`;
  try {
    const askedAt = Date.now();
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const { headers } = await fetch(address, { method: "HEAD", redirect: "manual", signal });
    const theirs = Date.parse(headers.get("date") ?? "");
    return Number.isNaN(theirs) ? null : (askedAt + Date.now()) / 2 - theirs - 500;
  } catch {
    return null;
  }
}
