import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { ProtocolError, SecretKey, type WorkerId } from "@gradient/protocol";
import { writeDurably } from "../atomic-file.ts";
import { errnoOf, reasonOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";

export interface SigningKey {
  /** File in Nix's format for secret keys, as `nix store sign --key-file` takes it. */
  readonly file: string;
  /** `name:base64` */
  readonly publicKey: string;
}

/** The worker's own key, made at the first start. Throws UserError when the file is there and holds no key. */
export async function loadSigningKey(file: string, worker: WorkerId): Promise<SigningKey> {
  let content: string;
  try {
    content = await readFile(file, "utf8");
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return createSigningKey(file, worker);
    throw unreadable(file, cause);
  }
  return parseSigningKey(file, content);
}

/** A key that is there. Throws UserError when the file can not be read or holds no key. */
export async function readSigningKey(file: string): Promise<SigningKey> {
  try {
    return parseSigningKey(file, await readFile(file, "utf8"));
  } catch (cause) {
    throw cause instanceof UserError ? cause : unreadable(file, cause);
  }
}

function unreadable(file: string, cause: unknown): UserError {
  return new UserError("signing-key", `cannot read ${file}: ${reasonOf(cause)}`, { cause });
}

function parseSigningKey(file: string, content: string): SigningKey {
  try {
    return { file, publicKey: SecretKey.parse(content).publicKey.toString() };
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new UserError(
      "signing-key",
      `${file} does not hold a signing key (${cause.message}): restore it from a backup, or remove the file to get a new key, which an administrator has to approve`,
      { cause },
    );
  }
}

/** The number in the name leaves room for a rotated key of the same worker. */
async function createSigningKey(file: string, worker: WorkerId): Promise<SigningKey> {
  const key = SecretKey.generate(`worker-${worker}-1`);
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeDurably(file, `${key.reveal()}\n`);
  } catch (cause) {
    throw new UserError("state-dir", `cannot write ${file}: ${reasonOf(cause)}`, { cause });
  }
  return { file, publicKey: key.publicKey.toString() };
}
