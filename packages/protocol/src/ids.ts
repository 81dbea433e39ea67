import { z } from "zod";

/** Identities that cross the link. All are UUIDs in lower-case hyphenated form; workers have version 4, entities version 7. */
export const organizationIdSchema = z.uuid().brand<"OrganizationId">();
export type OrganizationId = z.infer<typeof organizationIdSchema>;

export const workerIdSchema = z.uuid().brand<"WorkerId">();
export type WorkerId = z.infer<typeof workerIdSchema>;

export const evaluationIdSchema = z.uuid().brand<"EvaluationId">();
export type EvaluationId = z.infer<typeof evaluationIdSchema>;

/** One unit of work given to one worker. */
export const assignmentIdSchema = z.uuid().brand<"AssignmentId">();
export type AssignmentId = z.infer<typeof assignmentIdSchema>;

/** Rises with every assignment of a coordinator and is never reused; a result that carries a stale one changes nothing. */
export const fencingSchema = z.int().positive().brand<"Fencing">();
export type Fencing = z.infer<typeof fencingSchema>;

/** Number of one execution of a build: what nixbuild.net's API calls a build. */
export const attemptNumberSchema = z.int().positive().brand<"AttemptNumber">();
export type AttemptNumber = z.infer<typeof attemptNumberSchema>;
