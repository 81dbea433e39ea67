import { z } from "zod";

const modes = ["ReadWrite", "ReadOnly", "WriteOnly"] as const;

export const modeSchema = z.enum(modes);

export const subscriptionSchema = z.object({ id: z.uuid(), name: z.string(), mode: modeSchema });

/** The names as we write them, or in snake case as some clients do. */
export const modeInput = z.enum([...modes, "read_write", "read_only", "write_only"]).transform(
  (mode) =>
    ({
      ReadWrite: modes[0],
      ReadOnly: modes[1],
      WriteOnly: modes[2],
      read_write: modes[0],
      read_only: modes[1],
      write_only: modes[2],
    })[mode],
);

export const subscriptionParams = z.object({ org: z.string(), cache: z.string() });
