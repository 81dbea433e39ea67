import { generateKeyPairSync, randomBytes } from "node:crypto";
import { BadRequestError } from "../errors.ts";

export interface SshKeyPair {
  /** `ssh-ed25519 <base64>`, without a comment. */
  publicKey: string;
  /** PEM text of an OpenSSH private key, without a passphrase. */
  privateKey: string;
}

const KEY_TYPE = "ssh-ed25519";
const MAGIC = "openssh-key-v1\0";

/** A new Ed25519 key pair in OpenSSH's own formats, which ssh reads in every version (PROTOCOL.key of OpenSSH, RFC 8709). */
export function generateSshKey(): SshKeyPair {
  const jwk = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const publicBytes = Buffer.from(jwk.x ?? "", "base64url");
  const seed = Buffer.from(jwk.d ?? "", "base64url");
  const publicBlob = Buffer.concat([sshString(KEY_TYPE), sshString(publicBytes)]);
  return {
    publicKey: `${KEY_TYPE} ${publicBlob.toString("base64")}`,
    privateKey: privateKeyPem(publicBlob, publicBytes, seed),
  };
}

/**
 * Reads a private key as ssh-keygen writes it, without a passphrase. The public half stands in clear in front of it (PROTOCOL.key of OpenSSH).
 * Throws BadRequestError, which holds nothing secret.
 */
export function parseSshKey(pem: string): SshKeyPair {
  const body =
    /-----BEGIN OPENSSH PRIVATE KEY-----([\sA-Za-z0-9+/=]+)-----END OPENSSH PRIVATE KEY-----/.exec(
      pem,
    )?.[1];
  if (body === undefined) throw notAKey("it is no OpenSSH private key");
  const blob = Buffer.from(body, "base64");
  if (blob.subarray(0, MAGIC.length).toString("latin1") !== MAGIC) throw notAKey("it is damaged");
  const [cipher, , , rest] = readStrings(blob.subarray(MAGIC.length), 3);
  if (cipher?.toString() !== "none") throw notAKey("it has a passphrase");
  const [publicBlob] = readStrings((rest ?? Buffer.alloc(0)).subarray(4), 1);
  const [type] = readStrings(publicBlob ?? Buffer.alloc(0), 1);
  if (type?.toString() !== KEY_TYPE) throw notAKey(`it is of another type than ${KEY_TYPE}`);
  return {
    publicKey: `${KEY_TYPE} ${(publicBlob ?? Buffer.alloc(0)).toString("base64")}`,
    privateKey: `${pem.trim()}\n`,
  };
}

function notAKey(fault: string): BadRequestError {
  return new BadRequestError(
    `the SSH key cannot be used: ${fault}; make one with: ssh-keygen -t ed25519 -N '' -f FILE`,
  );
}

/** So many strings that begin with their lengths, and what is behind them. */
function readStrings(bytes: Buffer, count: number): Buffer[] {
  let rest = bytes;
  const strings: Buffer[] = [];
  for (let at = 0; at < count; at += 1) {
    const length = rest.length < 4 ? Number.POSITIVE_INFINITY : rest.readUInt32BE(0);
    if (rest.length < 4 + length) throw notAKey("it is damaged");
    strings.push(rest.subarray(4, 4 + length));
    rest = rest.subarray(4 + length);
  }
  return [...strings, rest];
}

function privateKeyPem(publicBlob: Buffer, publicBytes: Buffer, seed: Buffer): string {
  // The same random word twice tells a reader that decryption worked; there is none here.
  const check = randomBytes(4);
  const secrets = Buffer.concat([
    check,
    check,
    sshString(KEY_TYPE),
    sshString(publicBytes),
    sshString(Buffer.concat([seed, publicBytes])),
    sshString(""),
  ]);
  const padding = Buffer.from(
    Array.from({ length: (8 - (secrets.length % 8)) % 8 }, (_, at) => at + 1),
  );
  const blob = Buffer.concat([
    Buffer.from(MAGIC),
    sshString("none"),
    sshString("none"),
    sshString(""),
    uint32(1),
    sshString(publicBlob),
    sshString(Buffer.concat([secrets, padding])),
  ]);
  const lines = blob.toString("base64").match(/.{1,70}/g) ?? [];
  return [
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    ...lines,
    "-----END OPENSSH PRIVATE KEY-----",
    "",
  ].join("\n");
}

function sshString(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
