#!/usr/bin/env node
import { runRunner } from "../dist/runner/main.js";

/** Everything is disposed when `runRunner` resolves; this is for a handle that something foreign left open. */
const EXIT_DEADLINE_MS = 10_000;

await runRunner();
setTimeout(() => process.exit(), EXIT_DEADLINE_MS).unref();
