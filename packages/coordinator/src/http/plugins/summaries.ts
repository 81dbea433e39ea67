import type { Api } from "../api.ts";

/** A route of this instance that does not say what it does is refused at start: the OpenAPI document is made from what routes say. */
export function addSummaries(api: Api): void {
  api.addHook("onRoute", (route) => {
    if (route.schema?.summary !== undefined && route.schema.summary !== "") return;
    throw new Error(
      `route ${String(route.method)} ${route.url} has no schema.summary: one sentence on what it does`,
    );
  });
}
