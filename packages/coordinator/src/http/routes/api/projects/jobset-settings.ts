import { z } from "zod";
import type { Project } from "../../../../db/project-repository.ts";

/** What a project is for clients of Cuirass. */
export const jobsetSettings = z
  .object({
    alias: z
      .string()
      .nullable()
      .meta({ description: "A name that it alone has on this server, beside ORG.PROJECT." }),
    priority: z.int().meta({ description: "0 to 9, lower is sooner." }),
    open_hook: z.boolean().meta({
      description: "Whether everybody who sees the project may ask for a look at its repository.",
    }),
  })
  .meta({ id: "JobsetSettings" });

/** A project without an alias is ORGANIZATION.PROJECT for Cuirass's clients. */
export function toJobsetSettings(
  project: Pick<Project, "alias" | "priority" | "open_hook">,
): z.infer<typeof jobsetSettings> {
  const { alias, priority, open_hook } = project;
  return { alias, priority, open_hook: open_hook === 1 };
}
