/** Nix's names of systems, as flakes and release files have them in attribute paths. */
const SYSTEM =
  /^(?:x86_64|i[3-6]86|aarch64|armv[5-8]\w*|riscv(?:32|64)|powerpc(?:64)?(?:le)?|mips\w*|loongarch64|s390x?|wasm(?:32|64)|microblaze\w*|m68k|sparc\w*|js|avr|or1k|alpha|rx|vc4)-(?:linux|darwin|freebsd|openbsd|netbsd|windows|cygwin|wasi|none|solaris|redox|genode|ghcjs|mmix)$/;

/** Names travel in lists with commas and in queries that nobody escapes. */
const UNSAFE = /[\p{Cc}\s,&=#%]/gu;

/** Percent-encodes blanks, control characters and `,&=#%`; what is encoded already is encoded once more. */
export function escapeName(text: string): string {
  return text.replaceAll(UNSAFE, encodeURIComponent);
}

/**
 * Cuirass's name of a job: `NAME.SYSTEM` for `packages.SYSTEM.NAME`, else the path without its system and the system behind it, which is the derivation's where
 * the path has none.
 */
export function jobName(attribute: readonly string[], derivationSystem: string): string {
  const at = attribute.findIndex((part) => SYSTEM.test(part));
  const system = attribute[at] ?? derivationSystem;
  const path = at < 0 ? attribute : attribute.toSpliced(at, 1);
  const isPackage = at === 1 && attribute[0] === "packages" && path.length > 1;
  return escapeName([...(isPackage ? path.slice(1) : path), system].join("."));
}

/** Names for jobs whose shorter name another one of the evaluation has, in order: the whole path first. They do not end. */
function* otherNames(attribute: readonly string[]): Generator<string, never> {
  const path = attribute.map((part) => escapeName(part).replaceAll(".", "%2E")).join(".");
  yield path;
  for (let number = 2; ; number += 1) yield `${path}~${number}`;
}

export interface NamedJob {
  readonly attribute: readonly string[];
  readonly system: string;
}

/** A name for each of the jobs, none twice and none of those that `isTaken` says. */
export function nameJobs<Job extends NamedJob>(
  jobs: readonly Job[],
  isTaken: (name: string, job: Job) => boolean,
): Map<Job, string> {
  const given = new Set<string>();
  const names = new Map<Job, string>();
  for (const job of jobs) {
    const isFree = (name: string): boolean => !given.has(name) && !isTaken(name, job);
    let name = jobName(job.attribute, job.system);
    const others = otherNames(job.attribute);
    while (!isFree(name)) name = others.next().value;
    given.add(name);
    names.set(job, name);
  }
  return names;
}
