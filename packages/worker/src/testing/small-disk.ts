import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { runProcess } from "../process/run.ts";

/** A file system of a few mebibytes. */
export class SmallDisk implements AsyncDisposable {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Needs root. */
  static async mount(parent: string, mebibytes: number): Promise<SmallDisk> {
    const directory = join(parent, "small-disk");
    await mkdir(directory);
    await runTool("mount", [
      "-t",
      "tmpfs",
      "-o",
      `size=${mebibytes}m,mode=755`,
      "tmpfs",
      directory,
    ]);
    return new SmallDisk(directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await runTool("umount", ["--lazy", this.directory]);
  }
}

async function runTool(command: string, args: readonly string[]): Promise<void> {
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
  await runProcess({ command, args, env, timeoutMs: 10_000 });
}
