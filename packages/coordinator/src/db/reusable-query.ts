import type { Compilable, CompiledQuery, QueryResult } from "kysely";
import type { Queries, SqlValue } from "./client.ts";

/**
 * A query that is built once and then run with ever other values: building one costs several times what SQLite needs to run it, which counts where a build's next step
 * waits for it. `build` gets stand-ins for its values, so it may only hand them on.
 */
export function reusable<Params extends readonly SqlValue[], Row>(
  build: (db: Queries, ...params: Params) => Compilable<Row>,
): (db: Queries, ...params: Params) => Promise<QueryResult<Row>> {
  let template: Template<Row> | undefined;
  return (db, ...params) => {
    template ??= templateOf(db, build, params.length);
    const { query, values } = template;
    const parameters = values.map((value) => ("param" in value ? params[value.param] : value.own));
    return db.executeQuery({ ...query, parameters });
  };
}

interface Template<Row> {
  readonly query: CompiledQuery<Row>;
  /** What stands at each place: one of the values that it is run with, or a value of its own. */
  readonly values: readonly ({ readonly param: number } | { readonly own: unknown })[];
}

function templateOf<Params extends readonly SqlValue[], Row>(
  db: Queries,
  build: (db: Queries, ...params: Params) => Compilable<Row>,
  count: number,
): Template<Row> {
  const standIns: readonly unknown[] = Array.from({ length: count }, (_, n) =>
    Symbol(`value ${n}`),
  );
  // What a query builder is given it only keeps, whatever type it has.
  const query = build(db, ...(standIns as unknown as Params)).compile();
  const values = query.parameters.map((own) => {
    const param = standIns.indexOf(own);
    return param < 0 ? { own } : { param };
  });
  return { query, values };
}
