import { once } from "node:events";
import { chmod, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { text } from "node:stream/consumers";
import { SlotBuilder } from "../builder/slot-builder.ts";
import { compileLater } from "../compile-later.ts";
import { removePlaces } from "../nix/build-place.ts";
import { openBuildSlot } from "../nix/build-slot.ts";
import { openUsageMeters } from "../usage/usage-meters.ts";
import type { RunnerConfig } from "./messages.ts";
import { Runner } from "./runner.ts";

/**
 * The process that builds, so that builds outlive the daemon. It imports little: it stands beside the daemon for as long as
 * that lives. Reads its settings from standard input, writes a line when it listens, and resolves when it may go.
 */
export async function runRunner(): Promise<void> {
  compileLater();
  // Written by the same program, just now.
  const config = JSON.parse(await text(process.stdin)) as RunnerConfig;
  const meters = await openUsageMeters({ daemonSocket: config.nix.daemonSocket });
  const builder = new SlotBuilder({
    slots: config.slots,
    openSlot: () => openBuildSlot(config.nix, config.places),
    meters,
  });
  const runner = new Runner({ builder, fingerprint: config.fingerprint });
  const server = createServer((socket) => runner.attach(socket));
  try {
    server.listen(config.socket);
    await once(server, "listening");
    await chmod(config.socket, 0o600);
    process.stdout.write("ready\n");
    await Promise.race([runner.done, once(process, "SIGTERM"), once(process, "SIGINT")]);
  } finally {
    server.close();
    await runner[Symbol.asyncDispose]();
    await builder[Symbol.asyncDispose]();
    await meters[Symbol.asyncDispose]();
    await removePlaces(config.places, config.nix.environment);
    for (const file of [config.socket, config.errors]) await rm(file, { force: true });
  }
}
