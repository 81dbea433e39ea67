import { createHttpServer } from "../server.ts";
import { describedServices } from "./described-services.ts";

/** The OpenAPI document of this release, made from its routes without anything that runs. */
export async function describeApi(): Promise<object> {
  const app = await createHttpServer(describedServices(), () => Promise.resolve());
  await app.ready();
  try {
    return app.swagger();
  } finally {
    await app.close();
  }
}
