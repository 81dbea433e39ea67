/** What is wrong with the text of a password's hash; null for a good one. */
export function passwordHashFault(hash: string): string | null {
  if (/^\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$/.test(hash)) {
    return null;
  }
  return 'expected an Argon2id hash that begins with "$argon2id$v=19$"; make one with: gradient-coordinator user hash-password';
}
