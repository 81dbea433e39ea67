import { builtInCacheRoles, builtInOrganizationRoles } from "../../auth/permissions.ts";
import type { Declared, Path } from "../declared.ts";
import type { Findings } from "../findings.ts";

/** Members and creator of an organization or a cache. */
export function checkMembers(
  declared: Declared,
  findings: Findings,
  realm: {
    readonly kind: "organization" | "cache";
    readonly name: string;
    readonly path: Path;
    readonly members: readonly { readonly user: string; readonly role: string }[];
  },
): void {
  const { kind, name, path, members } = realm;
  const users = new Set(declared.users.map(({ username }) => username));
  const builtIn = kind === "cache" ? builtInCacheRoles : builtInOrganizationRoles;
  const roles = [
    ...builtIn.map((role) => role.name),
    ...declared.roles.filter((role) => role[kind] === name).map((role) => role.name),
  ];
  findings.unique(
    members.map(({ user }, at) => ({ path: [...path, "members", at, "user"], key: user })),
    "the user",
  );
  for (const [at, { user, role }] of members.entries()) {
    const place = [...path, "members", at];
    findings.known([...place, "user"], "users", users, user);
    if (roles.includes(role)) continue;
    findings.add(
      [...place, "role"],
      `${JSON.stringify(role)} is no role of ${kind} ${JSON.stringify(name)}: take one of ${roles.join(", ")}, or declare it under roles`,
    );
  }
  if (members.length > 0 && !members.some(({ role }) => role === "Admin")) {
    findings.add([...path, "members"], 'nobody has the role "Admin": give it to one of them');
  }
}

/** Who has made it: named, or else the file's first superuser. */
export function checkCreator(
  declared: Declared,
  findings: Findings,
  { created_by: creator, path }: { readonly created_by?: string | undefined; readonly path: Path },
): void {
  const place = [...path, "created_by"];
  if (creator !== undefined) {
    const users = new Set(declared.users.map(({ username }) => username));
    findings.known(place, "users", users, creator);
  } else if (!declared.users.some(({ superuser }) => superuser)) {
    findings.add(
      place,
      "it is missing, and no user of this file is a superuser: name one of the users",
    );
  }
}
