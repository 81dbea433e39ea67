import { generateKeyPairSync, randomBytes } from "node:crypto";

export interface SshKeyPair {
  /** `ssh-ed25519 <base64>`, without a comment. */
  publicKey: string;
  /** PEM text of an OpenSSH private key, without a passphrase. */
  privateKey: string;
}

const KEY_TYPE = "ssh-ed25519";

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
    Buffer.from("openssh-key-v1\0"),
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
