import { checkDisplayName, checkSlug } from "../../rules/names.ts";
import type { Declared } from "../declared.ts";
import type { Findings } from "../findings.ts";
import { checkCreator, checkMembers } from "./members.ts";

/** With their members, and with what a sealed key needs beside it. */
export function checkOrganizations(declared: Declared, findings: Findings): void {
  const { organizations } = declared;
  findings.unique(
    organizations.map(({ path, name }) => ({ path, key: name })),
    "the name",
  );
  findings.uniqueIds(organizations);
  for (const organization of organizations) {
    const { path, name, display_name: shown } = organization;
    findings.rule(path, () => checkSlug("organization", name));
    findings.rule([...path, "display_name"], () => checkDisplayName(shown ?? name));
    findings.onlyOne(path, organization, ["private_key_file", "private_key_sealed"]);
    if (organization.private_key_sealed !== undefined) {
      requireBeside(organization, ["id", "public_key"], findings);
    } else if (organization.public_key !== undefined) {
      findings.add(
        [...path, "public_key"],
        "it only goes with private_key_sealed: remove it, it is found in private_key_file",
      );
    }
    checkCreator(declared, findings, organization);
    checkMembers(declared, findings, { kind: "organization", ...organization });
  }
}

/** A sealed secret opens only where it was sealed for. */
function requireBeside(
  organization: Declared["organizations"][number],
  names: readonly ("id" | "public_key")[],
  findings: Findings,
): void {
  for (const name of names) {
    if (organization[name] !== undefined) continue;
    findings.add(
      [...organization.path, name],
      "it is missing, and private_key_sealed is worth nothing without it: take it from the export",
    );
  }
}
