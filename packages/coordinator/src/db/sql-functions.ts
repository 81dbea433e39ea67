import { decodeNix32, formatSriHash } from "@gradient/protocol";
import type Sqlite from "better-sqlite3";

/** Gives a reading connection what the statements of the views ask for beyond SQL. */
export function addSqlFunctions(connection: Sqlite.Database): void {
  connection.function("sri_hash", { deterministic: true }, (nix32: unknown) =>
    formatSriHash({ algorithm: "sha256", digest: decodeNix32(String(nix32)) }),
  );
}
