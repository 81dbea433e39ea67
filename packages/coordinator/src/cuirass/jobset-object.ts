import { z } from "zod";

export const jobsetObject = z.object({
  name: z.string(),
  build: z.string(),
  channels: z.array(
    z.object({ name: z.string(), url: z.string(), branch: z.string(), commit: z.literal(false) }),
  ),
  "build-outputs": z
    .array(z.unknown())
    .meta({ description: "Empty: outputs name their own products." }),
  notifications: z
    .array(z.object({ type: z.literal("email") }))
    .meta({ description: "One for each action that mails; to whom is for members to see." }),
  period: z
    .int()
    .meta({ description: "Seconds between looks at the repository; 0 when it is told." }),
  priority: z.int().min(0).max(9),
  systems: z.array(z.string()),
});

export type JobsetObject = z.infer<typeof jobsetObject>;
