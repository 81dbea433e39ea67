import type { FastifyInstance } from "fastify";

/** Bodies within `app` are streams, whatever type they say they have: none is collected. */
export function streamBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
}
