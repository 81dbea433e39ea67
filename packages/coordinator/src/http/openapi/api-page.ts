import swaggerUi from "@fastify/swagger-ui";
import type { Server } from "../api.ts";

/** The page needs its own files and the document, nothing of any other host; its components set styles in their markup. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "base-uri 'none'",
  "connect-src 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "img-src 'self' data:",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
].join("; ");

/** GET /api/docs: a page to read and try the API with. */
export async function addApiPage(app: Server): Promise<void> {
  await app.register(swaggerUi, {
    routePrefix: "/api/docs",
    staticCSP: CONTENT_SECURITY_POLICY,
    theme: { title: "Gradient API" },
    uiConfig: {
      // Without the bar in which another document's address can be given.
      layout: "BaseLayout",
      deepLinking: true,
      // Otherwise a server on the Internet is asked whether the document is valid.
      validatorUrl: null,
    },
  });
}
