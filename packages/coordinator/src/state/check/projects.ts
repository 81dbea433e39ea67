import { checkLasting } from "../../projects/flake-inputs.ts";
import { checkEmail } from "../../rules/account.ts";
import { checkInputOverrides } from "../../rules/input-override.ts";
import { checkDisplayName, checkSlug } from "../../rules/names.ts";
import { checkRepository } from "../../rules/repository.ts";
import { checkWildcard } from "../../rules/wildcard.ts";
import { checkTriggerConfig } from "../../triggers/trigger-config.ts";
import type { Declared, DeclaredProject } from "../declared.ts";
import type { Findings } from "../findings.ts";
import { checkCreator } from "./members.ts";

/** With their triggers and actions. `now` is milliseconds since the epoch: cron expressions have to come true some time. */
export function checkProjects(declared: Declared, findings: Findings, now: number): void {
  const { projects, organizations } = declared;
  const names = new Set(organizations.map(({ name }) => name));
  findings.unique(
    projects.map(({ path, organization, name }) => ({ path, key: `${organization}/${name}` })),
    "the name",
  );
  findings.uniqueIds(
    projects.flatMap(({ path, actions = [] }) =>
      actions.map(({ id }, at) => ({ path: [...path, "actions", at], id })),
    ),
  );
  findings.unique(
    projects.flatMap(({ path, alias }) =>
      alias === undefined ? [] : [{ path: [...path, "alias"], key: alias }],
    ),
    "the alias",
  );
  for (const project of projects) {
    const { path, name, organization, alias } = project;
    findings.rule(path, () => checkSlug("project", name));
    if (alias !== undefined) findings.rule([...path, "alias"], () => checkSlug("alias", alias));
    findings.rule([...path, "display_name"], () => checkDisplayName(project.display_name ?? name));
    findings.known([...path, "organization"], "organizations", names, organization);
    findings.rule([...path, "repository"], () => checkRepository(project.repository));
    findings.rule([...path, "wildcard"], () => checkWildcard(project.wildcard));
    checkCreator(declared, findings, project);
    checkTriggers(declared, findings, project, now);
    checkActions(declared, findings, project);
    checkFlakeInputs(findings, project);
  }
}

function checkFlakeInputs(
  findings: Findings,
  { path, flake_input_overrides: overrides = {} }: DeclaredProject,
): void {
  for (const [input, { url }] of Object.entries(overrides)) {
    findings.rule([...path, "flake_input_overrides", input], () => {
      checkInputOverrides([{ input, url }]);
      checkLasting({ input, url });
    });
  }
}

function checkActions(
  { integrations }: Declared,
  findings: Findings,
  { path, organization, actions = [] }: DeclaredProject,
): void {
  const places = actions.map((action, at) => ({ action, place: [...path, "actions", at] }));
  findings.unique(
    places.map(({ action, place }) => ({ path: place, key: action.name })),
    "the name",
  );
  for (const { action, place } of places) {
    findings.rule([...place, "name"], () => checkDisplayName(action.name));
    const config = [...place, "config"];
    if (action.type === "send_mail") {
      for (const [at, recipient] of action.config.recipients.entries()) {
        findings.rule([...config, "recipients", at], () => checkEmail(recipient));
      }
    } else if (action.type === "send_web_request") {
      if (!/^https?:/.test(action.config.url) || !URL.canParse(action.config.url)) {
        findings.add([...config, "url"], "expected an address such as https://example.org/hook");
      }
      findings.onlyOne(config, action.config, ["token_file", "token_sealed"]);
    } else if (
      !integrations.some(
        (each) =>
          each.kind === "outbound" &&
          each.organization === organization &&
          each.name === action.config.integration,
      )
    ) {
      findings.add(
        [...config, "integration"],
        `${JSON.stringify(action.config.integration)} is no outbound integration of organization ${JSON.stringify(organization)} in this file: declare it under integrations`,
      );
    }
  }
}

function checkTriggers(
  { integrations }: Declared,
  findings: Findings,
  { path, organization, triggers }: DeclaredProject,
  now: number,
): void {
  const inbound = new Set(
    integrations
      .filter((each) => each.kind === "inbound" && each.organization === organization)
      .map(({ name }) => name),
  );
  for (const [at, trigger] of (triggers ?? []).entries()) {
    const place = [...path, "triggers", at];
    if (trigger.type === "polling" || trigger.type === "time") {
      findings.rule([...place, "config"], () => {
        if (trigger.type === "time") checkTriggerConfig({ type: "time", ...trigger.config }, now);
        else checkTriggerConfig({ type: "polling", ...trigger.config }, now);
      });
      if (trigger.integration !== undefined) {
        findings.add(
          [...place, "integration"],
          `a trigger of type ${trigger.type} has none: remove it`,
        );
      }
    } else if (!inbound.has(trigger.integration)) {
      findings.add(
        [...place, "integration"],
        `${JSON.stringify(trigger.integration)} is no inbound integration of organization ${JSON.stringify(organization)} in this file: declare it under integrations`,
      );
    }
  }
}
