import type { BuildObject } from "../../../nixbuild/build-object.ts";
import type { Logs } from "../../../ports.ts";
import type { Route } from "../../api.ts";
import { textAnswer } from "../../answer-schemas.ts";
import { sendErrorPage } from "../../pages/error-page.ts";
import { html, Html } from "../../pages/html.ts";
import { sendPage } from "../../pages/page.ts";
import { buildNumberParams } from "./build-number.ts";
import { readSignedBuild, signedQuery } from "./signed-build.ts";

/** Of the log; the whole of it has a link of its own. */
const MAX_CHARACTERS = 200_000;

/** GET /builds/:id/details: the page that a signed link leads to. */
export const showBuildRoute: Route = (api, services) => {
  const { logs } = services;
  api.get(
    "/builds/:id/details",
    {
      config: { access: "none" },
      errorHandler: (error, shown, reply) => void sendErrorPage(error, shown, reply),
      schema: {
        summary: "Shows a build and its log to whoever has a signed link.",
        params: buildNumberParams,
        querystring: signedQuery,
        response: { 200: textAnswer("A page.", "text/html") },
      },
    },
    async ({ params, query }, reply) => {
      const build = readSignedBuild(services, params.id, query);
      const log = await beginningOf(logs, build.build_id);
      const { expires = "", signature = "" } = query;
      const whole = `log?${new URLSearchParams({ expires, signature }).toString()}`;
      return sendPage(reply, {
        title: `Build ${build.build_id}`,
        width: "wide",
        content: html`${details(build)}
          <h2>Log</h2>
          <p><a href="${whole}">The whole log as text</a></p>
          <pre>${log}</pre>`,
      });
    },
  );
};

function details(build: BuildObject): Html {
  const kilobytes = (value: number | null): string =>
    value === null ? "not measured" : `${value} KiB`;
  const rows: [string, string | number][] = [
    ["Status", build.build_status],
    ["Message", build.status_message ?? ""],
    ["Derivation", build.derivation_path],
    ["System", build.system],
    ["Created", build.create_time],
    ["Started", build.start_time],
    ["Duration", build.duration_seconds === null ? "" : `${build.duration_seconds} s`],
    ["CPU", `${build.cpu_seconds} s, ${build.cpu_count} cores`],
    ["Memory allocated", `${build.allocated_megabytes} MiB`],
    ["Memory used at most", kilobytes(build.peak_memory_use_kilobytes)],
    ["Storage used at most", kilobytes(build.peak_storage_use_kilobytes)],
    ...build.outputs.map(({ name, path }): [string, string] => [`Output ${name}`, path]),
    ...Object.entries(build.tags).map(([name, value]): [string, string] => [`Tag ${name}`, value]),
  ];
  const list = rows
    .filter(([, value]) => value !== "")
    .map(
      ([name, value]) =>
        html`<dt>${name}</dt>
          <dd>${value}</dd>`.text,
    );
  return html`<dl>${new Html(list.join(""))}</dl>`;
}

async function beginningOf(logs: Logs, attempt: number): Promise<string> {
  let text = "";
  for await (const piece of logs.text(attempt)) {
    text += piece;
    if (text.length > MAX_CHARACTERS) return `${text.slice(0, MAX_CHARACTERS)}\n[...]`;
  }
  return text;
}
