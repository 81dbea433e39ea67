import { checkApiKeys } from "./check/api-keys.ts";
import { checkCaches } from "./check/caches.ts";
import { checkIntegrations } from "./check/integrations.ts";
import { checkOrganizations } from "./check/organizations.ts";
import { checkProjects } from "./check/projects.ts";
import { checkRoles } from "./check/roles.ts";
import { checkUsers } from "./check/users.ts";
import { checkWorkers } from "./check/workers.ts";
import { parseStateFile, type Declared, type Problem } from "./declared.ts";
import { Findings } from "./findings.ts";

/** A file that holds together, or all that is wrong with it. */
export type Checked =
  | { readonly declared: Declared }
  | { readonly problems: readonly [Problem, ...Problem[]] };

/** Checks the content of a file by itself: no database, and none of the files that it names. `now`: milliseconds since the epoch. */
export function checkState(content: unknown, now: number): Checked {
  const declared = parseStateFile(content);
  if ("users" in declared) {
    const [first, ...others] = problemsOf(declared, now);
    return first === undefined ? { declared } : { problems: [first, ...others] };
  }
  const [first, ...others] = declared;
  if (first === undefined) throw new Error("a file that is refused has a problem");
  return { problems: [first, ...others] };
}

function problemsOf(declared: Declared, now: number): Problem[] {
  const findings = new Findings();
  checkUsers(declared, findings);
  checkRoles(declared, findings);
  checkOrganizations(declared, findings);
  checkIntegrations(declared, findings);
  checkProjects(declared, findings, now);
  checkCaches(declared, findings);
  checkWorkers(declared, findings);
  checkApiKeys(declared, findings);
  return findings.problems;
}
