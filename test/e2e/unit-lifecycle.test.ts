import { readFile, writeFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/api-client.ts";
import { Daemon } from "../support/daemon.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm, type TestWorker } from "../support/farm.ts";
import { commands, root } from "../support/programs.ts";

/** What a unit says of its daemon's end, as systemd takes it (systemd.service(5)). */
class Unit {
  readonly #settings: ReadonlyMap<string, string>;

  private constructor(settings: ReadonlyMap<string, string>) {
    this.#settings = settings;
  }

  static async read(name: string): Promise<Unit> {
    const text = await readFile(join(root, "systemd", `${name}.service`), "utf8");
    const lines = text.split("\n").map((line) => line.split("=", 2));
    return new Unit(new Map(lines.map(([key = "", value = ""]) => [key, value])));
  }

  /** The signal of `systemctl stop` and `restart`. */
  get stopSignal(): NodeJS.Signals {
    return this.#settings.get("KillSignal") === "SIGHUP" ? "SIGHUP" : "SIGTERM";
  }

  /** Whether systemd ends what the daemon has started, when the daemon has ended. */
  get endsChildren(): boolean {
    return this.#settings.get("KillMode") !== "process";
  }

  /** Whether a daemon that ended so by itself is started again. */
  startsAgain(end: number | string): boolean {
    if (this.#settings.get("Restart") !== "on-failure") throw new Error("another rule of Restart=");
    if (String(end) === this.#settings.get("RestartPreventExitStatus")) return false;
    return ![0, "SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE"].includes(end);
  }
}

let farm: TestFarm;

beforeEach(async () => {
  farm = await TestFarm.start();
});
afterEach(() => farm[Symbol.asyncDispose]());

describe("the coordinator's unit", () => {
  test("stops it in order, brings it back after a crash, and not after a wrong setting", async () => {
    const unit = await Unit.read("gradient-coordinator");
    farm.coordinator.process.kill(unit.stopSignal);
    const stopped = await farm.coordinator.exited(15_000);
    expect(stopped, farm.coordinator.log).toBe(0);
    expect(unit.startsAgain(stopped)).toBe(false);

    await farm.restartCoordinator();
    farm.coordinator.process.kill("SIGKILL");
    expect(unit.startsAgain(await farm.coordinator.exited(15_000))).toBe(true);

    const { command, argv } = commands.coordinator;
    const wrong = new Daemon("wrong", command, [...argv, "serve", "--listen", "x"], process.env);
    const end = await wrong.exited(15_000);
    expect(end).toBe(2);
    expect(unit.startsAgain(end)).toBe(false);
  });
});

describe("the worker's unit", () => {
  let unit: Unit;
  let worker: TestWorker;
  let gate: string;
  let evaluation: string;

  beforeEach(async () => {
    unit = await Unit.read("gradient-worker");
    const directory = join(farm.directory, "gate");
    await mkdir(directory);
    gate = join(directory, "open");
    worker = await farm.addWorker("alpha", { settings: [`sandbox-paths = ${directory}`] });
    const text = expression(`{ waits = mk "waits" ''
      while [ ! -e ${gate} ]; do sleep 0.05; done; echo > $out
    '' { }; }`);
    const project = await farm.addFilesProject("waits", "*", { "default.nix": text });
    evaluation = await farm.evaluate(project);
    await eventually("the build to begin", 60_000, async () => {
      const [build] = await farm.api.builds(evaluation);
      return build?.status === "Building" && (await worker.runners()).length > 0 ? true : null;
    });
  });

  /** The worker that is started now goes on with the same attempt. */
  async function expectSameAttempt(): Promise<void> {
    await writeFile(gate, "");
    const ended = await farm.ended(evaluation, 60_000);
    expect(ended.status, farm.logs()).toBe("Completed");
    expect((await farm.api.buildNamed(evaluation, "waits")).attempt).toBe(1);
  }

  test("restarts it in order while a build goes on", async () => {
    expect(unit.endsChildren).toBe(false);
    worker.daemon?.process.kill(unit.stopSignal);
    expect(await worker.daemon?.exited(15_000)).toBe(0);
    expect(await worker.runners()).toHaveLength(1);
    worker.start();
    await expectSameAttempt();
  });

  test("brings it back after a crash, and the build goes on", async () => {
    worker.daemon?.process.kill("SIGKILL");
    const end = await worker.daemon?.exited(15_000);
    expect(unit.startsAgain(end ?? 0)).toBe(true);
    worker.start();
    await expectSameAttempt();
  });

  test("leaves a drained worker down", async () => {
    const { command, argv } = commands.worker;
    const drain = [...argv, "drain", "--wait", "--state-dir", worker.stateDir];
    const drained = new Daemon("drain", command, drain, process.env);
    await expectSameAttempt();
    expect(await drained.exited(30_000)).toBe(0);
    const end = await worker.daemon?.exited(30_000);
    expect(end).toBe(0);
    expect(unit.startsAgain(end ?? 1)).toBe(false);
    expect(await worker.runners()).toEqual([]);
  });
});
