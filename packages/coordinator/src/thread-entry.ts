import { existsSync } from "node:fs";

/** The compiled file of a thread, `folder/name.js` below the built sources, whose importer may run as TypeScript. Throws when nothing was built. */
export function threadEntry(path: string): URL {
  const entry = compiledEntry(path);
  if (existsSync(entry)) return entry;
  throw new Error(`${entry.pathname} is missing: run 'npm run build' first`);
}

/** Whether there is a compiled file. */
export function hasThreadEntry(path: string): boolean {
  return existsSync(compiledEntry(path));
}

function compiledEntry(path: string): URL {
  // This file lies on top of the sources, or of what is made of them.
  const isSource = import.meta.url.endsWith(".ts");
  return new URL(isSource ? `../dist/${path}` : path, import.meta.url);
}
