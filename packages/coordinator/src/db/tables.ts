import type { AccountTables } from "./account-tables.ts";
import type { ActionTables } from "./action-tables.ts";
import type { AssignmentTables } from "./assignment-tables.ts";
import type { BuildTables } from "./build-tables.ts";
import type { CacheTables } from "./cache-tables.ts";
import type { CuirassTables } from "./cuirass-tables.ts";
import type { EvaluationTables } from "./evaluation-tables.ts";
import type { ForgeTables } from "./forge-tables.ts";
import type { MaintenanceTables } from "./maintenance-tables.ts";
import type { NarTables } from "./nar-tables.ts";
import type { NixbuildTables } from "./nixbuild-tables.ts";
import type { OrganizationTables } from "./organization-tables.ts";
import type { SourceTables } from "./source-tables.ts";

/**
 * Row types, one interface a table. Times are milliseconds since the epoch; booleans are 0 or 1; `*_json` columns hold JSON text;
 * store paths are kept as base names (`<hash>-<name>`), hashes as 52 characters of Nix base 32.
 */
export interface Tables
  extends
    AccountTables,
    ActionTables,
    OrganizationTables,
    CacheTables,
    NarTables,
    EvaluationTables,
    BuildTables,
    AssignmentTables,
    SourceTables,
    ForgeTables,
    MaintenanceTables,
    NixbuildTables,
    CuirassTables {}
