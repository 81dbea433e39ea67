import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";

const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A sealed secret that cannot be opened: another master key, another context, or damage. Never holds the secret. */
export class SealError extends Error {
  override name = "SealError";
}

/**
 * Seals secrets that have to lie in the database: `keyid:nonce:ciphertext`, the latter two in base64, the tag at the ciphertext's end
 * (AES-256-GCM, NIST SP 800-38D). The context (`cache <id>`) is authenticated too, so a sealed secret cannot be moved to another row.
 */
export class MasterKey {
  /** First 8 hexadecimal digits of the key's SHA-256: tells which key sealed a secret. */
  readonly id: string;
  readonly #key: Uint8Array;

  /** Takes 32 bytes. */
  constructor(key: Uint8Array) {
    if (key.length !== 32) throw new SealError(`a master key has 32 bytes, this one ${key.length}`);
    this.#key = key;
    this.id = createHash("sha256").update(key).digest("hex").slice(0, 8);
  }

  seal(secret: string, context: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(context));
    const sealed = [cipher.update(secret, "utf8"), cipher.final(), cipher.getAuthTag()];
    return `${this.id}:${nonce.toString("base64")}:${Buffer.concat(sealed).toString("base64")}`;
  }

  /** Throws SealError. */
  open(sealed: string, context: string): string {
    const [keyId, nonceText = "", bodyText = "", ...rest] = sealed.split(":");
    const nonce = Buffer.from(nonceText, "base64");
    const body = Buffer.from(bodyText, "base64");
    if (rest.length > 0 || nonce.length !== NONCE_BYTES || body.length < TAG_BYTES) {
      throw new SealError(`secret of ${context} is damaged: it is not keyid:nonce:ciphertext`);
    }
    if (keyId !== this.id) {
      throw new SealError(
        `secret of ${context} was sealed with master key ${keyId}, this one is ${this.id}; was the secret file exchanged?`,
      );
    }
    const decipher = createDecipheriv(ALGORITHM, this.#key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(body.subarray(-TAG_BYTES));
    try {
      return (
        decipher.update(body.subarray(0, -TAG_BYTES), undefined, "utf8") + decipher.final("utf8")
      );
    } catch (cause) {
      throw new SealError(
        `secret of ${context} cannot be opened: it is damaged or belongs elsewhere`,
        { cause },
      );
    }
  }
}
