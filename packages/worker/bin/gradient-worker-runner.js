#!/usr/bin/env node

/** Everything is disposed when `runRunner` resolves; this is for a handle that something foreign left open. */
const EXIT_DEADLINE_MS = 10_000;

void run();

async function run() {
  // As Node has it: whoever waits for something that nothing is left to bring about has not succeeded.
  process.exitCode = 13;
  const { runRunner } = await import("../dist/runner/main.js");
  await runRunner();
  process.exitCode = 0;
  setTimeout(() => process.exit(), EXIT_DEADLINE_MS).unref();
}
