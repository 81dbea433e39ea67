import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's root: this file lies in test/support or, when compiled, in test/dist/support. */
function findRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return here.includes(`${join("test", "dist")}`)
    ? join(here, "..", "..", "..")
    : join(here, "..", "..");
}

export const root = findRoot();

/** How the two daemons are started: the built programs, with this Node. */
export const commands = {
  coordinator: {
    command: process.execPath,
    argv: [join(root, "packages/coordinator/bin/gradient-coordinator.js")],
  },
  worker: {
    command: process.execPath,
    argv: [join(root, "packages/worker/bin/gradient-worker.js")],
  },
} as const;

/** Makes the sample repository in a directory and commits it. */
export async function makeSampleRepository(request: {
  directory: string;
  salt: string;
}): Promise<{ commit: string }> {
  const module = (await import(join(root, "scripts/lib/sample-repository.mjs"))) as {
    makeSampleRepository: (request: {
      directory: string;
      salt: string;
    }) => Promise<{ commit: string }>;
  };
  return module.makeSampleRepository(request);
}
