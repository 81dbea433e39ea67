import { access } from "node:fs/promises";
import { join } from "node:path";
import { upstreamKeyContext } from "../caches/upstreams.ts";
import { loadSecrets } from "../config/secrets.ts";
import type { Config } from "../config/settings.ts";
import type { FarmInspection, SealedSecret } from "../db/farm-inspection.ts";
import { integrationContext } from "../forges/integrations.ts";
import { cacheKeyContext } from "../keys/cache-key.ts";
import { MasterKey, SealError } from "../keys/master-key.ts";
import { sshKeyContext } from "../keys/organization-ssh-key.ts";
import { failure, good, reasonOf, warning, type Finding } from "./finding.ts";

const AREA = "secrets";

/** Whether the master key opens what is sealed in the database. Makes no secret that is missing. */
export async function checkSecrets(config: Config, inspection: FarmInspection): Promise<Finding[]> {
  const own = (name: string) => join(config.dataDir, "keys", name);
  const crypt = config.cryptSecretFile ?? own("crypt-secret");
  const jwt = config.jwtSecretFile ?? own("jwt-secret");
  if (!(await isReadable(crypt))) {
    const remedy = "bring it back from a backup, or name it with --crypt-secret-file";
    return [failure(AREA, `the crypt secret ${crypt} cannot be read`, remedy)];
  }
  if (!(await isReadable(jwt))) {
    const remedy = "bring it back, or everybody has to log in again";
    return [warning(AREA, `the JWT secret ${jwt} cannot be read`, remedy)];
  }
  try {
    const masterKey = new MasterKey((await loadSecrets(config)).masterKey);
    return [openAll(masterKey, inspection.sealedSecrets())];
  } catch (error) {
    return [failure(AREA, reasonOf(error), "give a secret that can be used")];
  }
}

function openAll(masterKey: MasterKey, secrets: readonly SealedSecret[]): Finding {
  const faults = secrets.flatMap((secret) => {
    try {
      masterKey.open(secret.sealed, contextOf(secret));
      return [];
    } catch (error) {
      if (error instanceof SealError) return [error.message];
      throw error;
    }
  });
  if (faults.length === 0) {
    return good(AREA, `the crypt secret opens all ${secrets.length} sealed secrets`);
  }
  return failure(
    AREA,
    `${faults.length} of ${secrets.length} sealed secrets do not open: ${faults[0]}`,
    "bring the crypt secret back that they were sealed with: nothing else opens them",
  );
}

function contextOf({ kind, id }: SealedSecret): string {
  switch (kind) {
    case "cache":
      return cacheKeyContext(id);
    case "organization":
      return sshKeyContext(id);
    case "upstream":
      return upstreamKeyContext(id);
    case "secret":
    case "access token":
      return integrationContext(id, kind);
  }
}

async function isReadable(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}
