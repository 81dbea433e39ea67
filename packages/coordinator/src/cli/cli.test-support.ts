import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "./program.ts";

export interface Run {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

/** Command lines in a directory of their own. */
export class CommandLine implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "cli-"));
  #files = 0;

  /** A file with the text; resolves to its path. */
  file(text: string): string {
    const file = join(this.directory, `file-${(this.#files += 1)}`);
    writeFileSync(file, text);
    return file;
  }

  json(content: unknown): string {
    return this.file(JSON.stringify(content));
  }

  /** Runs a command line to its end; a daemon is stopped once `until` is written and `act` is done. */
  async run(
    args: readonly string[],
    until: {
      readonly text?: string;
      readonly act?: (out: string) => Promise<void>;
      readonly env?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<Run> {
    let out = "";
    let err = "";
    const stop = new AbortController();
    const meanwhile: Promise<void>[] = [];
    const exitCode = await runCli(args, {
      env: until.env ?? {},
      writeOut: (text) => {
        out += text;
        if (until.act === undefined || !out.includes(until.text ?? "")) return;
        if (meanwhile.length > 0) return;
        const acting = until.act(out).finally(() => stop.abort());
        // It is awaited when the command has ended.
        acting.catch(() => undefined);
        meanwhile.push(acting);
      },
      writeErr: (text) => {
        err += text;
      },
      stop: stop.signal,
    });
    await Promise.all(meanwhile);
    return { exitCode, out, err };
  }

  /** Throws when the command fails. */
  async done(args: readonly string[]): Promise<string> {
    const { exitCode, out, err } = await this.run(args);
    if (exitCode !== 0) throw new Error(`${args.join(" ")} ended with ${exitCode}: ${err}`);
    return out;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true });
  }
}
