import { createHash } from "node:crypto";

/** One host with its key, as a line of known_hosts names them. */
export interface HostKey {
  /** `host`, or `[host]:port`. */
  readonly host: string;
  /** Type and base64. */
  readonly key: string;
}

const LINE =
  /^(\[[A-Za-z0-9.:_-]{1,255}\]:\d{1,5}|[A-Za-z0-9.:_-]{1,255}) ([a-z0-9@.-]{1,100} [A-Za-z0-9+/]{16,16000}={0,2})$/;

/** The lines that name exactly one host and its key; others (patterns, hashed names, markers) are left out. */
export function readHostKeys(lines: readonly string[]): HostKey[] {
  return lines.flatMap((line) => {
    const [, host, key] = LINE.exec(line.trim()) ?? [];
    return host === undefined || key === undefined ? [] : [{ host, key }];
  });
}

/** As known_hosts has them. */
export function formatHostKeys(keys: readonly HostKey[]): string {
  return keys.map(({ host, key }) => `${host} ${key}\n`).join("");
}

/** `SHA256:...`, as ssh shows it. */
export function fingerprintOf(key: string): string {
  const bytes = Buffer.from(key.split(" ")[1] ?? "", "base64");
  return `SHA256:${createHash("sha256").update(bytes).digest("base64").replace(/=+$/, "")}`;
}
