import { DEFAULT_ENDPOINTS } from "../../forges/forge-host.ts";
import { checkDisplayName, checkSlug } from "../../rules/names.ts";
import type { Declared } from "../declared.ts";
import type { Findings } from "../findings.ts";
import { checkCreator } from "./members.ts";

/** Names differ within an organization and kind; an outbound one has an address, or a forge that is at one place only. */
export function checkIntegrations(declared: Declared, findings: Findings): void {
  const { integrations, organizations } = declared;
  const names = new Set(organizations.map(({ name }) => name));
  findings.unique(
    integrations.map(({ path, organization, kind, name }) => ({
      path,
      key: [organization, kind, name].join("\n"),
    })),
    "the name",
  );
  findings.uniqueIds(integrations);
  for (const integration of integrations) {
    const { path, name, kind, organization, endpoint_url: endpoint } = integration;
    findings.rule(path, () => checkSlug("integration", name));
    findings.rule([...path, "display_name"], () =>
      checkDisplayName(integration.display_name ?? name),
    );
    findings.known([...path, "organization"], "organizations", names, organization);
    checkCreator(declared, findings, integration);
    findings.onlyOne(path, integration, ["secret_file", "secret_sealed"]);
    findings.onlyOne(path, integration, ["access_token_file", "access_token_sealed"]);
    const isSealed =
      integration.secret_sealed !== undefined || integration.access_token_sealed !== undefined;
    if (isSealed && integration.id === undefined) {
      findings.add(
        [...path, "id"],
        "it is missing, and sealed secrets need it: take it from the export",
      );
    }
    if (endpoint !== undefined && !/^https?:\/\//.test(endpoint)) {
      findings.add(
        [...path, "endpoint_url"],
        "expected an address that begins with https:// or http://",
      );
    }
    const hasPlace =
      endpoint !== undefined || DEFAULT_ENDPOINTS[integration.forge_type] !== undefined;
    if (kind === "outbound" && !hasPlace) {
      findings.add(
        [...path, "endpoint_url"],
        `it is missing: there is no one place for ${integration.forge_type}`,
      );
    }
  }
}
