import { z } from "zod";
import type { PageRequest } from "../db/page.ts";

/** Schema of a successful answer: `{"error": false, "message": ...}`. */
export function envelope<T extends z.ZodType>(message: T) {
  return z.object({ error: z.literal(false), message });
}

/** The body of every answer of Gradient's API that is no refusal: clients look at `error` before they look at `message`. */
export function ok<T>(message: T): { error: false; message: T } {
  return { error: false, message };
}

/** Answers that are only meant for people. */
export const textEnvelope = envelope(z.string());

/** Schema of every refusal; the OpenAPI document has it for the usual statuses of each route without being told. */
export const errorEnvelope = z
  .object({
    error: z.literal(true),
    code: z.string().meta({ description: "A stable word for programs." }),
    message: z.string().meta({ description: "One sentence for people." }),
  })
  .meta({ id: "Error" });
export type ErrorEnvelope = z.infer<typeof errorEnvelope>;

/** RFC 3339 in UTC with a `Z`. */
export const timestamp = z.iso.datetime();

/** With three digits behind the second. Throws RangeError for what no Date holds. */
export function toTimestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** null is what has not happened, or never ends. */
export function toTimestampOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : toTimestamp(milliseconds);
}

const DEFAULT_PER_PAGE = 50;
const MAX_PER_PAGE = 100;

/** Query of a paginated list: page from 1, length clamped to 1..100. */
export const pageQuery = z
  .object({
    page: z.coerce.number().int().optional(),
    per_page: z.coerce.number().int().optional(),
  })
  .transform(({ page, per_page: perPage }): PageRequest => ({
    page: Math.max(1, page ?? 1),
    perPage: Math.min(MAX_PER_PAGE, Math.max(1, perPage ?? DEFAULT_PER_PAGE)),
  }));

/** Schema of one page of a list; `total` counts the items of all pages. */
export function pageEnvelope<T extends z.ZodType>(item: T) {
  return envelope(
    z.object({
      items: z.array(item),
      total: z.int(),
      page: z.int(),
      per_page: z.int(),
    }),
  );
}

/** `total` counts the items of all pages. */
export function okPage<T>(items: T[], total: number, page: PageRequest) {
  return ok({ items, total, page: page.page, per_page: page.perPage });
}
