import { z } from "zod";

export const switchSchema = z.stringbool({ error: "expected true or false" });

export const fileSchema = z.string().min(1, "expected a file");

export const portSchema = z
  .string()
  .regex(/^\d{1,5}$/, "expected a port from 1 to 65535")
  .transform(Number)
  .pipe(z.number().min(1).max(65_535, "expected a port from 1 to 65535"));
