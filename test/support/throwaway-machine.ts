import { spawn, type ChildProcessByStdio } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { execa } from "execa";
import { eventually } from "./api-client.ts";
import { Daemon } from "./daemon.ts";
import { root } from "./programs.ts";

const SCRIPT = join(root, "test/support/throwaway-machine.sh");

/**
 * A copy of this machine that is thrown away, with its own systemd running: the same files below, what is written lies
 * above in memory (overlayfs), no process outlives it (a PID namespace), its control groups lie below one of ours, and
 * its network is a loopback device with every port free, from which only npm and apt-get get out. Its Nix store is
 * empty. Wants root.
 */
export class ThrowawayMachine implements AsyncDisposable {
  private readonly name = `gradient-machine-${randomBytes(4).toString("hex")}`;
  private readonly init: Daemon;
  private pid = 0;

  private constructor() {
    const argv = [SCRIPT, "enter", this.name, String(process.pid), root];
    this.init = new Daemon("copy of this machine", "bash", argv, process.env);
  }

  /** Why this machine cannot be copied, or undefined when it can. */
  static async whyNot(): Promise<string | undefined> {
    if (process.getuid?.() !== 0) return "only root makes namespaces";
    if (!existsSync("/lib/systemd/systemd")) return "systemd is not installed";
    const namespaces = ["--mount", "--pid", "--cgroup", "--net", "--ipc", "--uts", "--fork"];
    const tried = await execa("unshare", [...namespaces, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], {
      reject: false,
    });
    return tried.failed ? tried.stderr || tried.shortMessage : undefined;
  }

  /** Starts a copy; throws when this machine cannot be copied, and says why. */
  static async start(): Promise<ThrowawayMachine> {
    const machine = new ThrowawayMachine();
    try {
      await machine.booted();
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  private async booted(): Promise<void> {
    await eventually("systemd of the copy to run", 30_000, async () => {
      if (this.init.hasExited) throw new Error(this.init.log);
      const { pid } = this.init;
      const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
      this.pid = Number(children);
      if (this.pid === 0) return null;
      const enter = ["--target", String(this.pid), "--all", "--wdns=/"];
      const asked = await execa("nsenter", [...enter, "systemctl", "is-system-running"], {
        reject: false,
      });
      return /^(running|degraded)/.test(asked.stdout) ? true : null;
    });
  }

  /** A shell in the root of this project, as root has it after login; of `env` it has what npm and TLS want. */
  shell(env: NodeJS.ProcessEnv): MachineShell {
    const kept = Object.entries(env).filter(([name]) => KEPT.test(name));
    const all = {
      ...Object.fromEntries(kept),
      PATH: `/stand-ins:${process.env["PATH"] ?? ""}`,
      HOME: "/root",
      GIT_CONFIG_GLOBAL: "/dev/null",
    };
    const set = Object.entries(all).map(([name, value]) => `${name}=${value ?? ""}`);
    const bash = ["env", "-i", ...set, "bash", "-c", READ_BLOCKS, "bash", root];
    return new MachineShell("bash", [SCRIPT, "shell", this.name, String(this.pid), ...bash]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.init.kill();
    await removeGroups(this.name);
  }
}

/** What a login of this machine needs to reach the registry. */
const KEPT = /^(npm_config_.*|https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR))$/i;

/** Removes the control groups of a machine, which are empty once its last process is gone. */
async function removeGroups(name: string): Promise<void> {
  if (!existsSync("/sys/fs/cgroup")) return;
  await eventually(`the control groups of ${name} to be empty`, 10_000, async () => {
    const found = ["/sys/fs/cgroup", "-depth", "-type", "d", "-path", `*/${name}*`];
    const { failed } = await execa("find", [...found, "-exec", "rmdir", "{}", "+"], {
      reject: false,
    });
    return failed ? null : true;
  });
}

/** What commands printed, standard output and standard error as they came, and whether all of them went well. */
export interface ShellResult {
  ok: boolean;
  printed: string;
}

const END = "\u0000end\u0000";

/** Each block comes with a zero byte behind it, and is answered with what it printed and the mark. */
const READ_BLOCKS = String.raw`
  exec 2>&1
  cd "$1"
  set -eEo pipefail
  trap 'echo "exit $?: $BASH_COMMAND"' ERR
  while IFS= read -r -d "" block; do
    eval "$block" < /dev/null
    printf '\0end\0'
  done
`;

/** One bash that commands go to as they would be typed; the first one that fails ends it. */
export class MachineShell implements Disposable {
  private readonly bash: ChildProcessByStdio<Writable, Readable, null>;
  private unread = "";
  private wake: () => void = () => undefined;
  private ended = false;

  constructor(command: string, argv: readonly string[]) {
    this.bash = spawn(command, argv, { stdio: ["pipe", "pipe", "inherit"] });
    this.bash.stdin.on("error", () => undefined);
    this.bash.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.unread += text;
      this.wake();
    });
    void once(this.bash, "close").then(() => this.end());
  }

  /** Runs the commands of a block, each of which has to end with 0, and all of them in time. */
  async run(commands: string, timeoutMs: number): Promise<ShellResult> {
    this.bash.stdin.write(`${commands}\n\u0000`);
    const late = setTimeout(() => this.end(), timeoutMs);
    while (!this.unread.includes(END) && !this.ended)
      await new Promise<void>((resolve) => (this.wake = resolve));
    clearTimeout(late);
    const at = this.unread.indexOf(END);
    const ok = at !== -1;
    const printed = ok ? this.unread.slice(0, at) : this.unread;
    this.unread = ok ? this.unread.slice(at + END.length) : "";
    return { ok, printed };
  }

  private end(): void {
    this.ended = true;
    this.wake();
  }

  [Symbol.dispose](): void {
    this.bash.kill("SIGKILL");
  }
}
