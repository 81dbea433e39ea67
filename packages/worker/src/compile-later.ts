import { setFlagsFromString } from "node:v8";

/**
 * V8 compiles with care what has run fifteen times as long as it would by itself. For each of a worker's first small builds its compilers would take 3 ms of CPU time, a tenth of what
 * the whole farm needs for one. What runs a few times for each build is compiled some hundred builds later; a loop over many bytes waits for that some milliseconds more.
 */
export function compileLater(): void {
  setFlagsFromString("--interrupt-budget=1000000");
}
