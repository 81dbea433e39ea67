/** Loaded with the first password: it takes megabytes, and API keys and sessions do not need it. */
const loadArgon2 = () => import("@node-rs/argon2");

/** OWASP's figures for Argon2id: 19 MiB, two passes, one lane; about 30 ms. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** Argon2id in PHC form, with a random salt. Runs off the main thread. */
export async function hashPassword(password: string): Promise<string> {
  const { hash } = await loadArgon2();
  return hash(password, COST);
}

/**
 * Whether the password belongs to the hash. Without a hash (unknown user, no password) the same work is done for nothing, so that the
 * time of an answer does not tell whether an account exists.
 */
export async function isPassword(password: string, passwordHash: string | null): Promise<boolean> {
  if (passwordHash === null) {
    await hashPassword(password);
    return false;
  }
  const { verify } = await loadArgon2();
  return verify(passwordHash, password);
}
