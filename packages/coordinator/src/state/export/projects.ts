import { eventsOf, storedConfigOf } from "../../actions/action-config.ts";
import type { Declarable } from "../../db/state-view.ts";
import { BUILD_REQUEST_PROJECT } from "../../rules/names.ts";
import { configOf } from "../../triggers/stored-config.ts";
import type { Names } from "../export-state.ts";

/** By `ORGANIZATION/KIND/NAME`, with secrets as the master key has sealed them. */
export function exportIntegrations({ integrations }: Declarable, names: Names): object {
  return Object.fromEntries(
    integrations.map((each) => {
      const organization = names.organizations.get(each.organization_id);
      return [
        `${organization}/${each.kind}/${each.name}`,
        {
          name: each.name,
          id: each.id,
          organization,
          display_name: each.display_name,
          kind: each.kind,
          forge_type: each.forge,
          endpoint_url: each.endpoint_url,
          secret_sealed: each.secret,
          access_token_sealed: each.access_token,
          created_by: names.creator(each.created_by),
        },
      ];
    }),
  );
}

/** Without those of build requests, which each organization gets when it needs one. */
export function exportProjects(rows: Declarable, names: Names): object {
  const own = rows.projects.filter(({ name }) => name !== BUILD_REQUEST_PROJECT);
  return Object.fromEntries(
    own.map((project) => {
      const organization = names.organizations.get(project.organization_id);
      return [
        `${organization}/${project.name}`,
        {
          name: project.name,
          organization,
          display_name: project.display_name,
          description: project.description,
          repository: project.repository,
          wildcard: project.wildcard,
          active: project.active === 1,
          keep_evaluations: project.keep_evaluations,
          concurrency: project.concurrency,
          sign_cache: project.sign_cache === 1,
          alias: project.alias,
          priority: project.priority,
          open_hook: project.open_hook === 1,
          triggers: triggersOf(rows, project.id),
          actions: actionsOf(rows, project.id),
          flake_input_overrides: flakeInputsOf(rows, project.id),
          created_by: names.creator(project.created_by),
        },
      ];
    }),
  );
}

function flakeInputsOf({ flakeInputs }: Declarable, projectId: string): object {
  return Object.fromEntries(
    flakeInputs
      .filter((row) => row.project_id === projectId)
      .map(({ input_name: input, url }) => [input, { url }]),
  );
}

function actionsOf({ actions, integrations }: Declarable, projectId: string): object[] {
  return actions
    .filter((action) => action.project_id === projectId)
    .map((action) => {
      const { type, ...config } = storedConfigOf(action);
      const { id, name, token, integration_id } = action;
      const integration = integrations.find((each) => each.id === integration_id)?.name;
      const events = eventsOf(action);
      return {
        name,
        id,
        type,
        active: action.active === 1,
        events,
        config: { ...config, token_sealed: token, integration },
      };
    });
}

/** One whose integration is gone waits for nothing, and is left out. */
function triggersOf({ triggers, integrations }: Declarable, projectId: string): object[] {
  return triggers
    .filter((trigger) => trigger.project_id === projectId)
    .flatMap((trigger): object[] => {
      const config = configOf(trigger);
      const active = trigger.active === 1;
      if (config.type === "polling" || config.type === "time") {
        const { type, ...rest } = config;
        return [{ type, active, config: rest }];
      }
      const { type, integration_id: id, ...rest } = config;
      const integration = integrations.find((each) => each.id === id)?.name;
      return integration === undefined ? [] : [{ type, active, integration, config: rest }];
    });
}
