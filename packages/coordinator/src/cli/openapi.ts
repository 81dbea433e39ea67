import type { Command } from "@commander-js/extra-typings";
import { stringify } from "yaml";
import type { Surroundings } from "./surroundings.ts";

/** `openapi`: prints the description of the API; nothing has to run, and no data directory is needed. */
export function addOpenApi(program: Command, surroundings: Surroundings): void {
  program
    .command("openapi")
    .description("print the OpenAPI document of this release")
    .option("--yaml", "as YAML in place of JSON", false)
    .action(async (flags) => {
      // The other commands do not need the routes, and are quicker without them.
      const { describeApi } = await import("../http/openapi/describe-api.ts");
      const document = await describeApi();
      surroundings.writeOut(
        flags.yaml ? asYaml(document) : `${JSON.stringify(document, null, 2)}\n`,
      );
    });
}

/** Every reference is written out: aliases of YAML would make the file hard to read and to compare. */
function asYaml(document: object): string {
  return stringify(document, { aliasDuplicateObjects: false, lineWidth: 0 });
}
