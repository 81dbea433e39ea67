import type { Server } from "../api.ts";
import type { CoordinatorMetrics } from "../../telemetry/coordinator-metrics.ts";

/** Counts every answer that goes through the router. */
export function addRequestMetrics(app: Server, metrics: CoordinatorMetrics): void {
  app.addHook("onResponse", async (request, reply) => {
    metrics.answered({
      method: request.method,
      route: request.routeOptions.url ?? "",
      status: reply.raw.statusCode,
      durationMs: reply.elapsedTime,
    });
  });
}
