import { BadRequestError } from "../../errors.ts";
import type { Api } from "../api.ts";

/** Bodies are JSON or absent; an empty one counts as absent, whatever its content type. */
export function addJsonBodies(api: Api): void {
  api.removeAllContentTypeParsers();
  api.addContentTypeParser("application/json", { parseAs: "string" }, (_request, text, done) => {
    if (text === "") {
      done(null, undefined);
      return;
    }
    try {
      done(null, JSON.parse(text.toString()));
    } catch (cause) {
      done(new BadRequestError("the body is not JSON", { code: "json_parsing", cause }));
    }
  });
}
