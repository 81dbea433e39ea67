import type { Command } from "@commander-js/extra-typings";
import type { Surroundings } from "./surroundings.ts";
import { addWorkerApproveKey } from "./worker-approve-key.ts";
import { addWorkerList } from "./worker-list.ts";
import { addWorkerRegister } from "./worker-register.ts";
import { addWorkerRemove } from "./worker-remove.ts";

/** `worker ...`: who may build for which organization. */
export function addWorker(program: Command, surroundings: Surroundings): void {
  const worker = program
    .command("worker")
    .description("registrations of workers; these commands work while the coordinator runs, too");
  addWorkerList(worker, surroundings);
  addWorkerRegister(worker, surroundings);
  addWorkerApproveKey(worker, surroundings);
  addWorkerRemove(worker, surroundings);
}
