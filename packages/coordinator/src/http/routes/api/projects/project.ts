import { z } from "zod";
import { hasOrganizationPermission } from "../../../../auth/permissions.ts";
import type { ProjectWithLast } from "../../../../db/project-repository.ts";
import { timestamp, toTimestamp } from "../../../envelope.ts";
import { evaluationStatus, readEvaluationStatus } from "../evals/evaluation-status.ts";

export const concurrencySchema = z.enum(["hard_abort", "soft_abort", "all", "skip"]);

export const projectSchema = z
  .object({
    id: z.uuid(),
    organization: z.uuid(),
    created_by: z.uuid(),
    name: z.string(),
    display_name: z.string(),
    description: z.string(),
    repository: z.string(),
    wildcard: z.string(),
    active: z.boolean(),
    managed: z.boolean(),
    force_evaluation: z.boolean(),
    sign_cache: z.boolean(),
    can_edit: z.boolean(),
    can_trigger: z.boolean(),
    last_evaluation: z.uuid().nullable(),
    last_evaluation_status: evaluationStatus.nullable(),
    keep_evaluations: z.int(),
    concurrency: concurrencySchema,
    created_at: timestamp,
  })
  .meta({ id: "Project" });

/** `mask`: effective permissions of who asks. */
export function toProject(row: ProjectWithLast, mask: number): z.infer<typeof projectSchema> {
  return {
    id: row.id,
    organization: row.organization_id,
    created_by: row.created_by,
    name: row.name,
    display_name: row.display_name,
    description: row.description,
    repository: row.repository,
    wildcard: row.wildcard,
    active: row.active === 1,
    managed: row.managed === 1,
    force_evaluation: row.force_evaluation === 1,
    sign_cache: row.sign_cache === 1,
    ...abilities(mask),
    last_evaluation: row.last_evaluation,
    last_evaluation_status: readEvaluationStatus(row.last_evaluation_status),
    keep_evaluations: row.keep_evaluations,
    concurrency: row.concurrency,
    created_at: toTimestamp(row.created_at),
  };
}

/** `mask`: effective permissions of who asks, by which clients show their buttons. Every request is decided anew. */
export function abilities(mask: number): { can_edit: boolean; can_trigger: boolean } {
  return {
    can_edit: hasOrganizationPermission(mask, "editProject"),
    can_trigger: hasOrganizationPermission(mask, "triggerEvaluation"),
  };
}

export const projectParams = z.object({ org: z.string(), project: z.string() });
