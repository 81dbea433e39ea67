import { UnauthorizedError } from "../../../errors.ts";
import type { Server, Services } from "../../api.ts";

/** GET /metrics, for Prometheus; it is there only when a token for it is configured. */
export function metricsRoute(app: Server, { metrics }: Pick<Services, "metrics">): void {
  if (metrics === null) return;
  app.get("/metrics", async (request, reply) => {
    const token = /^Bearer (?<token>\S+)$/.exec(request.headers.authorization ?? "")?.groups;
    if (!metrics.admits(token?.["token"] ?? "")) {
      reply.header("www-authenticate", 'Bearer realm="metrics"');
      throw new UnauthorizedError(
        "metrics need Authorization: Bearer with the token of GRADIENT_METRICS_TOKEN_FILE",
      );
    }
    return reply.type(metrics.contentType).send(await metrics.text());
  });
}
