#!/usr/bin/env node
import { main } from "../dist/cli/program.js";

/** Everything is disposed when `main` resolves; this is for a handle that something foreign left open. */
const EXIT_DEADLINE_MS = 10_000;

process.exitCode = await main(process.argv);
setTimeout(() => process.exit(), EXIT_DEADLINE_MS).unref();
