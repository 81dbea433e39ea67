#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";

// While modules are loaded nearly all objects survive, for which V8 would let its young generation grow to 32 MB and keep it.
// `serve` lets it grow when it listens.
setFlagsFromString("--semi-space-growth-factor=1");
// Three times what V8 has by itself: a function is compiled with care when it has run for longer. In its first minutes the daemon spent a fifth of its time on that, for little.
setFlagsFromString("--interrupt-budget=200000");
const { run } = await import("../dist/cli/run.js");
await run();
