import { execFileSync } from "node:child_process";

/**
 * Writes a program that is started at once. Another process does it: whatever this one starts meanwhile would hold a file that is open for
 * writing here, and the kernel starts no such file (ETXTBSY).
 */
export function writeProgram(file: string, text: string): void {
  const script = 'mkdir -p "${1%/*}" && cat > "$1" && chmod 755 "$1"';
  execFileSync("sh", ["-c", script, "sh", file], { input: text });
}
