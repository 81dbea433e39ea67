#!/usr/bin/env node
const { loadProgram } = require("./compiled.js");

/** Everything is disposed when `main` resolves; this is for a handle that something foreign left open. */
const EXIT_DEADLINE_MS = 10_000;

void run();

async function run() {
  // As Node has it: whoever waits for something that nothing is left to bring about has not succeeded.
  process.exitCode = 13;
  const { main } = await loadProgram(process.argv[2]);
  process.exitCode = await main(process.argv);
  setTimeout(() => process.exit(), EXIT_DEADLINE_MS).unref();
}
