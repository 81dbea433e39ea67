import { checkPublicKey } from "../../rules/upstream.ts";
import { checkWorkerId } from "../../rules/worker.ts";
import type { Declared } from "../declared.ts";
import type { Findings } from "../findings.ts";
import { checkCreator } from "./members.ts";

/** A worker is registered once with each organization, with one token. */
export function checkWorkers(declared: Declared, findings: Findings): void {
  const { workers } = declared;
  const organizations = new Set(declared.organizations.map(({ name }) => name));
  findings.unique(
    workers.flatMap((worker) =>
      worker.organizations.map((organization) => ({
        path: worker.path,
        key: `${worker.worker_id.toLowerCase()} ${organization}`,
      })),
    ),
    "the worker's id with one of its organizations",
  );
  for (const worker of workers) {
    const { path } = worker;
    findings.rule([...path, "worker_id"], () => void checkWorkerId(worker.worker_id));
    for (const [at, organization] of worker.organizations.entries()) {
      findings.known([...path, "organizations", at], "organizations", organizations, organization);
    }
    findings.exactlyOne(path, worker, ["token_file", "token_hash"]);
    const key = worker.public_key;
    if (key !== undefined) findings.rule([...path, "public_key"], () => void checkPublicKey(key));
    checkCreator(declared, findings, worker);
  }
}
