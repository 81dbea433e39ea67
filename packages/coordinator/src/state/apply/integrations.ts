import { v7 as uuidv7 } from "uuid";
import { findIntegrationByName } from "../../db/declared-repository.ts";
import {
  insertIntegration,
  updateIntegration,
  type Integration,
} from "../../db/integration-repository.ts";
import { ConflictError } from "../../errors.ts";
import { integrationContext } from "../../forges/integrations.ts";
import type { DeclaredIntegration } from "../declared.ts";
import {
  creatorId,
  difference,
  idOf,
  record,
  sealAnew,
  takeSealed,
  type Applying,
} from "./applying.ts";

/** Makes the integrations what the file declares. */
export async function applyIntegrations(applying: Applying): Promise<void> {
  for (const each of applying.declared.integrations) await applyIntegration(applying, each);
}

async function applyIntegration(applying: Applying, each: DeclaredIntegration): Promise<void> {
  const { db, now } = applying;
  const key = {
    organization_id: idOf(applying.organizationIds, each.organization),
    kind: each.kind,
    name: each.name,
  };
  const found = await findIntegrationByName(db, key);
  const id = found?.id ?? each.id ?? uuidv7();
  if (each.id !== undefined && each.id !== id) {
    throw new ConflictError(
      `integration "${each.name}" has the id ${id}, which cannot be changed to ${each.id}: correct the file`,
    );
  }
  applying.kept.add(id);
  const columns = {
    display_name: each.display_name ?? each.name,
    forge: each.forge_type,
    endpoint_url: each.endpoint_url ?? null,
    managed: 1 as const,
    ...secretsOf(applying, id, each, found),
  };
  if (found === undefined) {
    const nothing = { secret: null, access_token: null };
    const made = { created_by: creatorId(applying, each), created_at: now };
    await insertIntegration(db, { id, ...key, ...nothing, ...columns, ...made });
    record(applying, "created", "integration", each.name);
    return;
  }
  const changed = difference(found, columns);
  if (changed === null) return;
  await updateIntegration(db, found, changed);
  record(applying, "changed", "integration", each.name);
}

/** Columns of the secrets that the file names; those that it does not name stay. */
function secretsOf(
  { masterKey, secrets }: Applying,
  id: string,
  each: DeclaredIntegration,
  found: Integration | undefined,
): { secret?: string; access_token?: string } {
  const column = (
    what: "secret" | "access token",
    file: string | undefined,
    sealed: string | undefined,
    stored: string | null | undefined,
  ): string | undefined => {
    const context = integrationContext(id, what);
    if (sealed !== undefined) return takeSealed(masterKey, sealed, context);
    const text = secrets.texts.get(file ?? "");
    return text === undefined ? undefined : sealAnew(masterKey, stored ?? null, text, context);
  };
  const secret = column("secret", each.secret_file, each.secret_sealed, found?.secret);
  const token = column(
    "access token",
    each.access_token_file,
    each.access_token_sealed,
    found?.access_token,
  );
  return {
    ...(secret === undefined ? {} : { secret }),
    ...(token === undefined ? {} : { access_token: token }),
  };
}
