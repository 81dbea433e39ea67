import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatNix32Hash, parseHash, type PathFacts } from "@gradient/protocol";
import { z } from "zod";
import type { NixRoot } from "../support/nix-root.ts";

const MEGABYTE = 1e6;

/** Trees that are as different to send as can be, with contents as programs and texts have them. */
export const shapes = {
  "one large file": (directory: string) => largeFile(join(directory, "large"), 120),
  "many small files": (directory: string) => smallFiles(join(directory, "files"), 8000),
  "many small paths": (directory: string) => smallPaths(directory, 300),
} as const;

/** A file of bytes that do not compress. */
export async function noise(file: string, megabytes: number): Promise<string[]> {
  const handle = await open(file, "w");
  for (let written = 0; written < megabytes; written += 1) {
    await handle.write(randomBytes(MEGABYTE));
  }
  await handle.close();
  return [file];
}

/** The program that runs this, with some text and some noise: compresses like a package. */
async function largeFile(file: string, megabytes: number): Promise<string[]> {
  const program = await readFile(process.execPath);
  const size = (megabytes * MEGABYTE) / 10;
  const handle = await open(file, "w");
  await handle.write(program.subarray(0, size * 8));
  await handle.write(randomBytes(size / 2));
  await handle.write(text(1, size * 1.5));
  await handle.close();
  return [file];
}

async function smallFiles(directory: string, count: number): Promise<string[]> {
  for (let at = 0; at < count; at += 1) {
    const folder = join(directory, String(at % 100));
    if (at < 100) await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `${at}.txt`), text(at, 1000 + ((at * 37) % 8000)));
  }
  return [directory];
}

async function smallPaths(directory: string, count: number): Promise<string[]> {
  const paths: string[] = [];
  for (let at = 0; at < count; at += 1) {
    const path = join(directory, `small-${at}`);
    await writeFile(path, text(at, 2000 + ((at * 97) % 30_000)));
    paths.push(path);
  }
  return paths;
}

function text(seed: number, length: number): string {
  const lines: string[] = [];
  for (let size = 0, at = seed; size < length; at += 1) {
    const line = `line ${at} of a text, ${((at * 2654435761) >>> 0).toString(16)} ${at % 17}\n`;
    lines.push(line);
    size += line.length;
  }
  return lines.join("").slice(0, length);
}

const infoSchema = z.array(
  z.object({ path: z.string(), narHash: z.string(), narSize: z.number() }),
);
const newInfoSchema = z.record(z.string(), z.object({ narHash: z.string(), narSize: z.number() }));

/** Adds files to the store and tells what they are there. */
export async function addAll(root: NixRoot, files: readonly string[]): Promise<PathFacts[]> {
  const added = (await root.nix("nix-store", ["--add", ...files])).trim().split("\n");
  const features = ["--extra-experimental-features", "nix-command"];
  const answer: unknown = JSON.parse(
    await root.nix("nix", [...features, "path-info", "--json", ...added]),
  );
  const infos = Array.isArray(answer)
    ? infoSchema.parse(answer)
    : Object.entries(newInfoSchema.parse(answer)).map(([path, info]) => ({ path, ...info }));
  return infos.map(({ path, narHash, narSize }) => ({
    path,
    narHash: formatNix32Hash(parseHash(narHash, "sha256")),
    narSize,
    references: [],
    deriver: null,
    ca: null,
    signatures: [],
  }));
}
