import { z } from "zod";
import { BadRequestError } from "../../../errors.ts";

/** Reads a part of a request. Throws BadRequestError that names what does not fit. */
export function readRequest<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new BadRequestError(z.prettifyError(parsed.error), { cause: parsed.error });
}
