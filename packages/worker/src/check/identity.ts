import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { SecretKey, workerIdSchema } from "@gradient/protocol";
import type { CheckConfig } from "../config/load.ts";
import { errnoOf, reasonOf } from "../error-facts.ts";
import { hasUsableEntry, parsePeers, type Peers } from "../identity/peers.ts";
import { formatCount } from "../text/quantities.ts";
import { canWrite, exists, faultOfMaking, nearestDirectory } from "./directories.ts";
import type { Findings } from "./finding.ts";

const OTHERS = 0o077;

/** State directory, worker id, key and peers. Nothing of them is made. */
export async function checkIdentity(
  findings: Findings,
  config: Pick<CheckConfig, "stateDir" | "workerId" | "peersFile" | "peers" | "server">,
): Promise<void> {
  await checkStateDirectory(findings, config.stateDir);
  await checkWorkerId(findings, config);
  await checkKey(findings, path.join(config.stateDir, "signing-key"));
  await checkPeers(findings, config);
}

async function checkStateDirectory(findings: Findings, directory: string): Promise<void> {
  const place = await nearestDirectory(directory);
  const isThere = place === path.resolve(directory);
  const { uid, mode } = await stat(place);
  const another = "name another directory with --state-dir";
  const change = `let ${whoWeAre()} write to ${place}, or ${another}`;
  if (!isThere && (await exists(directory))) {
    findings.failure("state directory", `${directory} is no directory`, change);
  } else if (!isThere) {
    const fault = await faultOfMaking(place);
    const missing = `${directory} is not there and cannot be made in ${place}: ${fault}`;
    if (fault === null) findings.ok("state directory", `${directory} is made at the first start`);
    else findings.failure("state directory", missing, fault === "EACCES" ? change : another);
  } else if (!(await canWrite(place))) {
    const found = `${directory} cannot be written (it belongs to uid ${uid})`;
    findings.failure("state directory", found, change);
  } else if ((mode & OTHERS) !== 0) {
    findings.warning(
      "state directory",
      `${directory} is open to others (mode ${octal(mode)})`,
      `chmod 700 ${directory}`,
    );
  } else findings.ok("state directory", `${directory}, mode ${octal(mode)}, of uid ${uid}`);
}

async function checkWorkerId(
  findings: Findings,
  { stateDir, workerId }: Pick<CheckConfig, "stateDir" | "workerId">,
): Promise<void> {
  const file = path.join(stateDir, "worker-id");
  const text = workerId ?? (await read(findings, "worker id", file));
  if (text === null) return;
  const id = workerIdSchema.safeParse(text.trim().toLowerCase());
  if (id.success) {
    findings.ok("worker id", workerId === null ? id.data : `${id.data}, given by a setting`);
    return;
  }
  findings.failure(
    "worker id",
    workerId === null ? `${file} holds no UUID` : "the id that a setting gives is no UUID",
    workerId === null
      ? "restore the file from a backup, or remove it and register the new id"
      : "correct or remove --worker-id",
  );
}

async function checkKey(findings: Findings, file: string): Promise<void> {
  const text = await read(findings, "signing key", file);
  if (text === null) return;
  const key = publicKeyOf(text);
  const mode = (await stat(file)).mode;
  if (key === null) {
    findings.failure(
      "signing key",
      `${file} holds no signing key`,
      "restore the file from a backup, or remove it and let an administrator approve the new key",
    );
  } else if ((mode & OTHERS) !== 0) {
    findings.warning(
      "signing key",
      `${file} is open to others (mode ${octal(mode)})`,
      `chmod 600 ${file}`,
    );
  } else findings.ok("signing key", key);
}

function publicKeyOf(text: string): string | null {
  try {
    return SecretKey.parse(text).publicKey.toString();
  } catch {
    return null;
  }
}

async function checkPeers(
  findings: Findings,
  config: Pick<CheckConfig, "peersFile" | "peers" | "server">,
): Promise<void> {
  const { peersFile, peers, server } = config;
  if (peersFile === null && peers === null) {
    if (server === null) return findings.ok("peers", "none: this worker has no coordinator");
    return findings.failure(
      "peers",
      "no tokens are given",
      "register the worker and name a file with its tokens by --peers-file",
    );
  }
  if (peersFile === null) return tellPeers(findings, parsePeers(peers ?? ""), "the setting");
  let mode: number;
  let text: string;
  try {
    mode = (await stat(peersFile)).mode;
    text = await readFile(peersFile, "utf8");
  } catch (error) {
    const why = errnoOf(error) ?? reasonOf(error);
    const change = `make a file of '<organization id>:<token>' lines that ${whoWeAre()} can read`;
    return findings.failure("peers", `${peersFile} cannot be read: ${why}`, change);
  }
  tellPeers(findings, parsePeers(text), peersFile);
  if ((mode & OTHERS) !== 0) {
    const found = `${peersFile} is open to others (mode ${octal(mode)})`;
    findings.warning("peers file", found, `chmod 600 ${peersFile}`);
  }
}

function tellPeers(findings: Findings, peers: Peers, source: string): void {
  for (const { line, reason } of peers.rejected) {
    findings.warning(
      `peers line ${line}`,
      `line ${line} of ${source} is not used: ${reason}`,
      "write it as '<organization id>:<token>', as the registration gave them",
    );
  }
  if (!hasUsableEntry(peers)) {
    findings.failure(
      "peers",
      `${source} has no usable line`,
      "add the '<organization id>:<token>' that the registration gave",
    );
    return;
  }
  const organizations = formatCount(peers.tokens.size, "organization");
  const wildcard = peers.wildcard === null ? "" : ", and one for every other";
  findings.ok("peers", `tokens for ${organizations}${wildcard}`);
}

/** null when there is nothing more to say of the file. */
async function read(findings: Findings, name: string, file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const why = errnoOf(error) ?? reasonOf(error);
    if (why === "ENOENT") findings.ok(name, "made at the first start");
    else findings.failure(name, `${file} cannot be read: ${why}`, `let ${whoWeAre()} read it`);
    return null;
  }
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8);
}

function whoWeAre(): string {
  const uid = process.getuid?.() ?? 0;
  return uid === 0 ? "root" : `uid ${uid}`;
}
