import type { OrganizationId } from "@gradient/protocol";
import { v7 as uuidv7 } from "uuid";
import { findProject, insertProject } from "../db/project-repository.ts";
import type { Change } from "../queue/change.ts";
import { BUILD_REQUEST_PROJECT } from "../rules/names.ts";

const KEPT_EVALUATIONS = 30;

/** The project that an organization's uploaded sources are evaluated in; made when it is first needed. Resolves to its id. */
export async function buildRequestProject(
  { kysely, now }: Change,
  organization: OrganizationId,
  createdBy: string,
): Promise<string> {
  const found = await findProject(kysely, organization, BUILD_REQUEST_PROJECT);
  if (found !== undefined) return found.id;
  const id = uuidv7();
  await insertProject(kysely, {
    id,
    organization_id: organization,
    name: BUILD_REQUEST_PROJECT,
    display_name: "Build requests",
    description: "Sources that were uploaded to be built",
    repository: "",
    wildcard: "*",
    active: 1,
    managed: 1,
    force_evaluation: 0,
    sign_cache: 1,
    keep_evaluations: KEPT_EVALUATIONS,
    concurrency: "all",
    created_by: createdBy,
    created_at: now,
  });
  return id;
}
