import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

const PT_INTERP = 3;

/**
 * True for an ELF program that needs no dynamic loader: none of its program headers is PT_INTERP (elf(5)).
 * Only such a program runs in a sandbox that has nothing but the store.
 */
export function isStaticElf(bytes) {
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46) return false;
  const is64Bit = bytes[4] === 2;
  const isLittleEndian = bytes[5] === 1;
  if (!is64Bit || !isLittleEndian) return false;
  const headersAt = Number(bytes.readBigUInt64LE(32));
  const headerSize = bytes.readUInt16LE(54);
  const headerCount = bytes.readUInt16LE(56);
  return Array.from({ length: headerCount }, (_, index) => headersAt + index * headerSize).every(
    (offset) => offset + 4 <= bytes.length && bytes.readUInt32LE(offset) !== PT_INTERP,
  );
}

/** The path of this machine's statically linked busybox, or undefined. */
export function findStaticBusybox(path = process.env.PATH ?? "") {
  return [...path.split(delimiter).filter((directory) => directory !== ""), "/usr/bin", "/bin"]
    .map((directory) => join(directory, "busybox"))
    .find(isStaticProgram);
}

function isStaticProgram(file) {
  try {
    return isStaticElf(readFileSync(file));
  } catch {
    return false;
  }
}
