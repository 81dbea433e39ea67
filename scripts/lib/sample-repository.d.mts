/**
 * Makes a Git repository in a directory, which it creates, out of sample/ and this machine's static busybox, with one
 * commit on `main`. Another salt gives other derivations. Resolves to the commit, 40 hexadecimal digits.
 */
export function makeSampleRepository(request: {
  directory: string;
  salt: string;
}): Promise<{ commit: string }>;
