#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";

// While modules are loaded nearly all objects survive, for which V8 would let its young generation grow to 32 MB and keep it.
// `serve` lets it grow when it listens.
setFlagsFromString("--semi-space-growth-factor=1");
const { run } = await import("../dist/cli/run.js");
await run();
