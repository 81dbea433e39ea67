import { createHash } from "node:crypto";
import { encodeNix32 } from "@gradient/protocol";
import type { Clock } from "../clock.ts";
import type { CheckView, StoredNar } from "../db/check-view.ts";
import { NotFoundError, UnavailableError, UnprocessableError } from "../errors.ts";
import { NarInspection } from "../intake/nar-inspection.ts";
import type { NarIntake } from "../intake/nar-intake.ts";
import { Turns } from "../intake/turns.ts";
import { ZstdDecoder } from "../intake/zstd-decoder.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import { name, type Progress } from "./progress.ts";
import { withdrawNar } from "./withdraw-nar.ts";

const STEP = 100;
/** Bytes of files that are read in a second: the disk belongs to those who fetch. */
const MAX_BYTES_PER_SECOND = 64 * 1024 * 1024;
/** Shorter waits are made up for later. */
const MIN_WAIT_MS = 20;
/** When more files than these are not there, the disk is not there. */
const MANY_MISSING = 20;
const MANY_MISSING_SHARE = 0.05;

export interface CheckOptions {
  readonly view: CheckView;
  readonly files: NarStorage;
  readonly intake: NarIntake;
  readonly clock: Clock;
  readonly isRepair: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** What a file turned out to be. That it could not be read says nothing about it. */
type Verdict =
  | { readonly kind: "good"; readonly bytes: number }
  | { readonly kind: "damaged" | "missing" | "unreadable"; readonly reason: string };

/**
 * Reads every stored NAR again and compares it with what was verified when it came, and compares rows and files both ways. With repair, what is damaged or missing is taken out of
 * all caches, together with what refers to it: the next evaluation that needs it has it built again. Files that nothing knows are removed.
 */
export async function checkStore(options: CheckOptions): Promise<void> {
  const { view, progress, signal, isRepair } = options;
  const missing: StoredNar[] = [];
  let total = 0;
  const pace = new Pace(options.clock);
  progress.phase = "objects";
  for (let after = ""; ;) {
    const nars = view.narsAfter(after, STEP);
    for (const nar of nars) {
      signal.throwIfAborted();
      const verdict = await look(options, nar);
      // It may have gone by itself, or with one that was damaged.
      if (verdict.kind === "missing" && options.intake.findStrays([nar.narHash]).length > 0)
        continue;
      if (verdict.kind === "good") progress.checkedBytes += verdict.bytes;
      else tell(options, nar, verdict);
      if (verdict.kind === "missing") missing.push(nar);
      if (verdict.kind === "damaged" && isRepair) await withdrawNar(options, nar.narHash);
      progress.checkedFiles += 1;
      await pace.after(verdict.kind === "good" ? verdict.bytes : 0);
    }
    total += nars.length;
    const last = nars.at(-1);
    if (last === undefined) break;
    after = last.narHash;
  }
  if (isRepair) await repairMissing(options, missing, total);
  await checkStrays(options);
}

async function repairMissing(
  options: CheckOptions,
  missing: readonly StoredNar[],
  total: number,
): Promise<void> {
  if (missing.length > Math.max(MANY_MISSING, MANY_MISSING_SHARE * total)) {
    name(options.progress, [
      `${missing.length} of ${total} files are missing, which looks like a disk that is not there: none of them was repaired`,
    ]);
    return;
  }
  for (const { narHash } of missing) await withdrawNar(options, narHash);
}

async function checkStrays({
  files,
  intake,
  isRepair,
  progress,
  signal,
}: CheckOptions): Promise<void> {
  progress.phase = "files";
  const turns = new Turns();
  for await (const hashes of files.hashes()) {
    for (let at = 0; at < hashes.length; at += STEP) {
      signal.throwIfAborted();
      const strays = intake.findStrays(hashes.slice(at, at + STEP));
      progress.problems += strays.length;
      name(
        progress,
        strays.map((narHash) => `sha256:${narHash}: a file that nothing knows`),
      );
      if (isRepair) progress.files += await intake.removeStrays(strays);
      await turns.giveWay();
    }
  }
}

function tell(
  { view, progress }: CheckOptions,
  { narHash }: StoredNar,
  { kind, reason }: Exclude<Verdict, { kind: "good" }>,
): void {
  progress.problems += 1;
  const [path] = view.pathsWith(narHash);
  const shown = path === undefined ? "which no cache shows" : `/nix/store/${path.path}`;
  name(progress, [`sha256:${narHash} (${shown}) is ${kind}: ${reason}`]);
}

async function look({ files, signal }: CheckOptions, nar: StoredNar): Promise<Verdict> {
  const fileHash = createHash("sha256");
  const decoder = new ZstdDecoder();
  const inspection = new NarInspection(nar.narSize);
  const turns = new Turns();
  let bytes = 0;
  try {
    const stream: AsyncIterable<Buffer> = await files.read(nar.narHash);
    for await (const chunk of stream) {
      signal.throwIfAborted();
      bytes += chunk.length;
      fileHash.update(chunk);
      for (const piece of decoder.decode(chunk)) {
        inspection.write(piece);
        await turns.giveWay();
      }
    }
    decoder.end();
    const found = inspection.finish();
    if (found.narHash !== nar.narHash) return damaged(`its NAR has hash sha256:${found.narHash}`);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof UnprocessableError) return damaged(error.message);
    // Only this one says that it is not there.
    if (error instanceof NotFoundError) return { kind: "missing", reason: error.message };
    if (error instanceof UnavailableError || (error instanceof Error && "code" in error)) {
      return { kind: "unreadable", reason: error.message };
    }
    throw error;
  }
  const hash = encodeNix32(fileHash.digest());
  if (hash !== nar.fileHash) return damaged(`the file has hash sha256:${hash}`);
  if (bytes !== nar.fileSize) return damaged(`the file has ${bytes} bytes`);
  return { kind: "good", bytes };
}

function damaged(reason: string): Verdict {
  return { kind: "damaged", reason };
}

/** Keeps to a rate. */
class Pace {
  readonly #clock: Clock;
  readonly #startedAt = performance.now();
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async after(bytes: number): Promise<void> {
    this.#bytes += bytes;
    const dueMs = (this.#bytes / MAX_BYTES_PER_SECOND) * 1000;
    const waitMs = dueMs - (performance.now() - this.#startedAt);
    if (waitMs < MIN_WAIT_MS) return;
    await new Promise<void>((resolve) => {
      this.#clock.after(waitMs, resolve);
    });
  }
}
