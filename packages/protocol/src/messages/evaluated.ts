import { z } from "zod";
import { storePathText } from "./store-texts.ts";

/** Attribute path as a list of names: a name may hold dots. */
export const attributePathSchema = z.array(z.string());

/** One attribute that a pattern selected: its derivation, or why it has none. */
export const evaluatedJobSchema = z.discriminatedUnion("outcome", [
  z.object({
    outcome: z.literal("derivation"),
    attribute: attributePathSchema,
    drvPath: storePathText,
    /** The output that the attribute stands for, when that is not `out`. Earlier releases do not tell. */
    outputName: z.string().optional(),
  }),
  z.object({ outcome: z.literal("error"), attribute: attributePathSchema, error: z.string() }),
]);
export type EvaluatedJob = z.infer<typeof evaluatedJobSchema>;

export const evaluationMessageSchema = z.object({
  level: z.enum(["Error", "Warning", "Notice"]),
  text: z.string(),
  /** What was being evaluated, when that is known. */
  attribute: attributePathSchema.optional(),
});
export type EvaluationMessage = z.infer<typeof evaluationMessageSchema>;
