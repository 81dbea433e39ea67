#!/usr/bin/env node
import { loadProgram } from "./compiled.js";

/** Everything is disposed when `main` resolves; this is for a handle that something foreign left open. */
const EXIT_DEADLINE_MS = 10_000;

const { main } = await loadProgram(process.argv[2]);
process.exitCode = await main(process.argv);
setTimeout(() => process.exit(), EXIT_DEADLINE_MS).unref();
