import { describe, expect, test, vi } from "vitest";
import { ProcessError } from "./process-error.ts";
import { runProcess } from "./run.ts";
import { startProcess } from "./start.ts";

const env = { PATH: "/usr/bin:/bin" };

async function failureOf(promise: Promise<unknown>): Promise<ProcessError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ProcessError)) throw new Error("expected a ProcessError");
  return error;
}

/** `sh` stands for any program here; nothing of ours starts a shell. */
function script(text: string): { command: string; args: string[]; env: Record<string, string> } {
  return { command: "sh", args: ["-c", text], env };
}

describe("runProcess", () => {
  test("gives what a program wrote to both streams", async () => {
    const result = await runProcess({
      ...script("cat; echo problem >&2"),
      stdin: "hello",
      timeoutMs: 10_000,
    });
    expect(result.stdout.toString()).toBe("hello");
    expect(result.stderr).toBe("problem\n");
  });

  test("inherits nothing from our environment", async () => {
    const result = await runProcess({ command: "env", args: [], env, timeoutMs: 10_000 });
    expect(result.stdout.toString()).toBe("PATH=/usr/bin:/bin\n");
  });

  test("tells exit code and the last line, but never the arguments", async () => {
    const error = await failureOf(
      runProcess({
        ...script("echo first >&2; echo last >&2; exit 7 # secret"),
        timeoutMs: 10_000,
      }),
    );
    expect(error).toMatchObject({ code: "process_failed", exitCode: 7, command: "sh" });
    expect(error.message).toBe("sh ended with exit code 7: last");
    expect(error.message).not.toContain("secret");
  });

  test("tells the signal that ended a program", async () => {
    const error = await failureOf(runProcess({ ...script("kill -9 $$"), timeoutMs: 10_000 }));
    expect(error).toMatchObject({ exitCode: null, signal: "SIGKILL" });
  });

  test.each([
    ["/no-such-directory", /cannot be entered: ENOENT/],
    ["/etc/passwd", /\/etc\/passwd is no directory/],
  ])(
    "a working directory that is none is not taken for a missing program: %s",
    async (cwd, reason) => {
      const error = await failureOf(startProcess({ command: "true", args: [], env, cwd }));
      expect(error.code).toBe("process_not_started");
      expect(error.message).toMatch(reason);
      expect(error.message).not.toContain("PATH");
    },
  );

  test("our own working directory being gone is told too", async () => {
    const gone = vi.spyOn(process, "cwd").mockImplementation(() => {
      throw new Error("ENOENT: no such file or directory, uv_cwd");
    });
    const error = await failureOf(startProcess({ command: "true", args: [], env }));
    gone.mockRestore();
    expect(error.message).toMatch(/the working directory is not there any more/);
  });

  test("a program that is not there is an error that names it", async () => {
    const error = await failureOf(
      runProcess({ command: "no-such-program", args: [], env, timeoutMs: 10_000 }),
    );
    expect(error.code).toBe("process_not_started");
    expect(error.message).toContain("no-such-program");
  });

  test("a deadline ends the program and its children, also when they ignore SIGTERM", async () => {
    const startedAt = Date.now();
    const error = await failureOf(
      runProcess({
        ...script("trap '' TERM; sh -c \"trap '' TERM; sleep 60\""),
        timeoutMs: 200,
      }),
    );
    expect(error).toMatchObject({ code: "process_timeout", isTransient: true, signal: "SIGKILL" });
    expect(Date.now() - startedAt).toBeLessThan(5000);
  });

  test("a grandchild that keeps the output open does not keep us waiting", async () => {
    const startedAt = Date.now();
    const result = await runProcess({
      ...script("setsid sleep 5 & echo done"),
      timeoutMs: 30_000,
    });
    expect(result.stdout.toString()).toBe("done\n");
    expect(Date.now() - startedAt).toBeLessThan(4000);
  });

  test("an abort signal cancels", async () => {
    const controller = new AbortController();
    const running = runProcess({
      ...script("sleep 60"),
      timeoutMs: 60_000,
      signal: controller.signal,
    });
    controller.abort();
    expect((await failureOf(running)).code).toBe("process_cancelled");
  });

  test("output is bounded", async () => {
    const error = await failureOf(
      runProcess({ ...script("yes"), timeoutMs: 10_000, maxOutputBytes: 1000 }),
    );
    expect(error.code).toBe("process_output_too_large");
  });

  test("only the end of stderr is kept", async () => {
    const error = await failureOf(
      runProcess({ ...script("seq 1 100000 >&2; exit 1"), timeoutMs: 10_000 }),
    );
    expect(error.stderr.length).toBe(64 * 1024);
    expect(error.stderr.endsWith("\n100000\n")).toBe(true);
  });

  test("a program that does not read its input can still succeed", async () => {
    const result = await runProcess({
      ...script("exec 0<&-; echo ok"),
      stdin: Buffer.alloc(1 << 20),
      timeoutMs: 10_000,
    });
    expect(result.stdout.toString()).toBe("ok\n");
  });
});

describe("startProcess", () => {
  test("ending a process twice is harmless", async () => {
    const child = await startProcess(script("sleep 60"));
    const exits = await Promise.all([child.end(1000), child.end(1000)]);
    expect(exits[0]).toEqual({ exitCode: null, signal: "SIGTERM" });
    child.signal("SIGKILL");
    expect(child.hasExited).toBe(true);
  });
});
