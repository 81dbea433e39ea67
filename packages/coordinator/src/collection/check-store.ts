import type { Clock } from "../clock.ts";
import type { CheckView, StoredNar } from "../db/check-view.ts";
import { NotFoundError, UnavailableError, UnprocessableError } from "../errors.ts";
import type { NarIntake } from "../intake/nar-intake.ts";
import { StoredFileInspector } from "../intake/stored-file-inspector.ts";
import type { StoredFile } from "../intake/stored-file-messages.ts";
import type { Restoration } from "../restoring/restoration.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import { Pace } from "./pace.ts";
import { name, type Progress } from "./progress.ts";
import { removeStrayFiles } from "./remove-strays.ts";
import { withdrawNar } from "./withdraw-nar.ts";

const STEP = 100;
/** When more files than these are not there, the disk is not there. */
const MANY_MISSING = 20;
const MANY_MISSING_SHARE = 0.05;

export interface CheckOptions {
  readonly view: CheckView;
  readonly files: NarStorage;
  readonly intake: NarIntake;
  readonly clock: Clock;
  readonly isRepair: boolean;
  /** Asks workers; null where there are none. */
  readonly restoration: Pick<Restoration, "restore"> | null;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** A check that goes on. */
interface Check extends CheckOptions {
  readonly inspector: StoredFileInspector;
}

/** What is wrong with a file. That it could not be read says nothing about it, unless the disk has lost it. */
interface Fault {
  readonly kind: "damaged" | "missing" | "unreadable";
  readonly reason: string;
  readonly isLost: boolean;
}

/** What a file turned out to be. */
type Verdict =
  | { readonly kind: "good"; readonly bytes: number }
  | { readonly kind: "gone" }
  | Fault;

/** A NAR without its bytes. What cannot be read does not go: it may be read again. */
interface LostNar extends StoredNar {
  readonly isMissing: boolean;
  readonly mayGo: boolean;
}

/**
 * Reads every stored NAR again and compares it with what was verified when it came, and compares rows and files both ways. What is damaged or missing is asked of
 * workers. With repair it is brought back from them, or else taken out of all caches, together with what refers to it: the next evaluation that needs it has it built
 * again. Files that nothing knows are removed.
 */
export async function checkStore(options: CheckOptions): Promise<void> {
  const { view, progress, isRepair } = options;
  const missing: LostNar[] = [];
  let total = 0;
  const pace = new Pace();
  await using inspector = new StoredFileInspector();
  const inspecting: Check = { ...options, inspector };
  progress.phase = "objects";
  for (let after = ""; ;) {
    const nars = view.narsAfter(after, STEP);
    const lost: LostNar[] = [];
    for (const nar of nars) lost.push(...(await check(inspecting, nar, pace)));
    await mend(
      options,
      lost.filter(({ isMissing }) => !isMissing),
    );
    missing.push(...lost.filter(({ isMissing }) => isMissing));
    total += nars.length;
    const last = nars.at(-1);
    if (last === undefined) break;
    after = last.narHash;
  }
  if (isDiskAway(missing.length, total)) {
    name(progress, [
      `${missing.length} of ${total} files are missing, which looks like a disk that is not there: none of them was repaired`,
    ]);
  } else {
    for (let at = 0; at < missing.length; at += STEP)
      await mend(options, missing.slice(at, at + STEP));
  }
  progress.phase = "files";
  const { removals } = options.intake;
  const strays = await removeStrayFiles({ ...options, removals, isDryRun: !isRepair });
  progress.problems += strays.found;
  progress.files += strays.removed;
}

/** Nothing, or the one when its bytes are lost. */
async function check(options: Check, nar: StoredNar, pace: Pace): Promise<LostNar[]> {
  const { progress, signal } = options;
  signal.throwIfAborted();
  const verdict = await judge(options, nar);
  progress.checkedFiles += 1;
  if (verdict.kind === "good") {
    progress.checkedBytes += verdict.bytes;
    await pace.after(verdict.bytes, signal);
    return [];
  }
  if (verdict.kind === "gone") return [];
  tell(options, nar, verdict);
  const { kind, isLost } = verdict;
  return isLost ? [{ ...nar, isMissing: kind === "missing", mayGo: kind !== "unreadable" }] : [];
}

function isDiskAway(missing: number, total: number): boolean {
  return missing > Math.max(MANY_MISSING, MANY_MISSING_SHARE * total);
}

/** Brings back what workers have, and takes away what nobody has; without repair it only tells what would be. */
async function mend(options: CheckOptions, lost: readonly LostNar[]): Promise<void> {
  const { restoration, isRepair, progress, signal } = options;
  if (lost.length === 0) return;
  const { phase } = progress;
  progress.phase = "asking workers";
  const restored = (await restoration?.restore(lost)) ?? [];
  for (const [at, nar] of lost.entries()) {
    signal.throwIfAborted();
    const outcome = restored[at];
    if (outcome?.isRestored === true) {
      progress.repaired += 1;
      name(progress, [
        `${describe(options, nar)} ${isRepair ? "was" : "can be"} brought back by ${outcome.by}`,
      ]);
      continue;
    }
    const why = outcome?.problems.join("; ") ?? "no coordinator runs here that could ask workers";
    name(progress, [`${describe(options, nar)} is not brought back: ${why}`]);
    if (isRepair && nar.mayGo) await withdrawNar(options, nar.narHash);
  }
  progress.phase = phase;
}

function tell(options: CheckOptions, nar: StoredNar, { kind, reason }: Fault): void {
  options.progress.problems += 1;
  name(options.progress, [`${describe(options, nar)} is ${kind}: ${reason}`]);
}

function describe({ view }: CheckOptions, { narHash }: StoredNar): string {
  const [path] = view.pathsWith(narHash);
  const shown = path === undefined ? "which no cache shows" : `/nix/store/${path.path}`;
  return `sha256:${narHash} (${shown})`;
}

/** Looks again when the file was stored anew meanwhile, or went by itself or with one that was damaged. */
async function judge(options: Check, listed: StoredNar): Promise<Verdict> {
  for (let nar = listed; ;) {
    const verdict = await look(options, nar);
    if (verdict.kind === "good") return verdict;
    const now = options.view.nar(nar.narHash);
    if (now === null) return { kind: "gone" };
    if (now.fileHash === nar.fileHash) return verdict;
    nar = now;
  }
}

async function look(
  { files, inspector, signal }: Check,
  nar: StoredNar,
): Promise<Exclude<Verdict, { kind: "gone" }>> {
  let found: StoredFile;
  try {
    const stream: AsyncIterable<Buffer> = await files.read(nar.narHash);
    found = await inspector.inspect(untilAborted(stream, signal), nar.narSize);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof UnprocessableError) return damaged(error.message);
    // Only this one says that it is not there.
    if (error instanceof NotFoundError)
      return { kind: "missing", reason: error.message, isLost: true };
    if (error instanceof UnavailableError || (error instanceof Error && "code" in error)) {
      // A sector that is broken, or a file system that knows that it is.
      return { kind: "unreadable", reason: error.message, isLost: error.code === "EIO" };
    }
    throw error;
  }
  const { narHash, fileHash, fileSize } = found;
  if (narHash !== nar.narHash) return damaged(`its NAR has hash sha256:${narHash}`);
  if (fileHash !== nar.fileHash) return damaged(`the file has hash sha256:${fileHash}`);
  if (fileSize !== nar.fileSize) return damaged(`the file has ${fileSize} bytes`);
  return { kind: "good", bytes: fileSize };
}

async function* untilAborted(
  stream: AsyncIterable<Buffer>,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of stream) {
    signal.throwIfAborted();
    yield chunk;
  }
}

function damaged(reason: string): Fault {
  return { kind: "damaged", reason, isLost: true };
}
