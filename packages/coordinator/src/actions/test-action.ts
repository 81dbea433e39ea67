import { v7 as uuidv7 } from "uuid";
import type { Action } from "../db/action-repository.ts";
import { insertDelivery } from "../db/action-delivery-repository.ts";
import type { Database } from "../db/client.ts";
import { findIntegration } from "../db/integration-repository.ts";
import { checkForgeAccess } from "../forges/statuses/check-access.ts";
import type { Clock } from "../clock.ts";
import { eventsOf } from "./action-config.ts";
import { outcomeOf, tell, type TellerOptions, type Told } from "./tell.ts";

export interface ActionTestParts extends TellerOptions {
  readonly database: Database;
  readonly clock: Clock;
}

/** Whose action it is. */
export interface TestedProject {
  readonly name: string;
  readonly organization: string;
  readonly organization_id: string;
  readonly repository: string;
}

const CHECK = "check";
const SAMPLE = "evaluation.completed";

/**
 * Tells an action's receiver of something that has not happened, at once and only once; for a status report it is only asked whether the forge
 * shows the repository to us. What came of it stands among the deliveries. True when it was taken.
 */
export async function testAction(
  parts: ActionTestParts,
  project: TestedProject,
  action: Action,
): Promise<boolean> {
  const { database, clock } = parts;
  const id = uuidv7();
  const at = clock.now();
  const isReport = action.type === "forge_status_report";
  const event = isReport ? CHECK : (eventsOf(action)[0] ?? SAMPLE);
  const told = isReport
    ? await askForge(parts, project, action)
    : await tell(parts, action, {
        delivery: id,
        event,
        at,
        organization: project.organization,
        project: project.name,
        state: "Completed",
        evaluationId: null,
        evaluationNumber: null,
        buildId: null,
        derivation: null,
        revision: null,
        pullRequest: null,
        isSynthetic: true,
      });
  await database.relaxedTransaction(({ kysely }) =>
    insertDelivery(kysely, {
      id,
      action_id: action.id,
      event,
      state: "Completed",
      evaluation_id: null,
      build_id: null,
      created_at: at,
      due_at: null,
      tries: 1,
      ...outcomeOf(told, at, clock.now()),
    }),
  );
  return told.isDelivered;
}

async function askForge(
  { database, masterKey, outbound }: ActionTestParts,
  project: TestedProject,
  action: Action,
): Promise<Told> {
  const { organization_id: organizationId, repository } = project;
  const integration = await findIntegration(
    database.kysely,
    organizationId,
    action.integration_id ?? "",
  );
  const fault =
    integration === undefined
      ? { status: null, reason: "its integration is gone" }
      : await checkForgeAccess({ masterKey, outbound }, integration, repository);
  return {
    isDelivered: fault === null,
    requestBody: "",
    status: fault?.status ?? null,
    responseBody: null,
    error: fault?.reason ?? null,
    isTransient: false,
  };
}
