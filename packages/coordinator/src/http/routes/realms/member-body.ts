import { z } from "zod";

/** The user by name; some clients write `username` for `user`. */
const nameFields = { user: z.string().optional(), username: z.string().optional() };

type NameFields = { user?: string | undefined; username?: string | undefined };

/** Name of the user that a body is about. */
export function nameOf({ user, username }: NameFields): string {
  return user ?? username ?? "";
}

const hasName = (fields: NameFields) => fields.user !== undefined || fields.username !== undefined;
const nameMissing = { path: ["user"], error: "expected the name of a user" };

export const memberBody = z.object(nameFields).refine(hasName, nameMissing);
export const roleBody = z.object({ ...nameFields, role: z.string() }).refine(hasName, nameMissing);

/** `id` is the user's name and `name` the role's: that is how clients know it. */
export const memberSchema = z.object({ id: z.string(), name: z.string() });
