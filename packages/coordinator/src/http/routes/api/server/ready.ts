import { z } from "zod";
import { UnavailableError } from "../../../../errors.ts";
import { Readiness } from "../../../../telemetry/readiness.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";

const answer = z.object({
  ready: z.literal(true),
  warnings: z
    .array(z.string())
    .meta({ description: "What keeps the farm from building, though all is answered." }),
});

/** GET /health/ready: 503 says what is missing. */
export const readyRoute: Route = (api, services) => {
  const readiness = new Readiness(services);
  api.get(
    "/health/ready",
    {
      config: { access: "none" },
      schema: {
        summary: "Says whether the server can do what it is there for.",
        response: { 200: envelope(answer) },
      },
    },
    async () => {
      const { reasons, warnings } = await readiness.look();
      if (reasons.length > 0) {
        throw new UnavailableError(`not ready: ${reasons.join("; ")}`, { code: "not_ready" });
      }
      return ok({ ready: true as const, warnings: [...warnings] });
    },
  );
};
