import { sql, type CompiledQuery, type QueryResult, type RawBuilder } from "kysely";
import type { Queries, SqlValue } from "./client.ts";

/** What a query is run with: a value, a list (see `listed`), or a row, which has a value for each of some columns. */
type Param = SqlValue | object;

/** What can be built: with kysely's builders, or written out with `sql`. */
interface Statement<Row> {
  compile(db: Queries): CompiledQuery<Row>;
}

/**
 * A query that is built once and then run with ever other values: building one costs several times what SQLite needs to run it, which counts where a build's next step
 * waits for it. `build` gets stand-ins for its values, so it may only hand them on. It is called again for a row with other columns.
 */
export function reusable<Params extends readonly Param[], Row>(
  build: (db: Queries, ...params: Params) => Statement<Row>,
): (db: Queries, ...params: Params) => Promise<QueryResult<Row>> {
  const templates = new Map<string, Template<Row>>();
  return (db, ...params) => {
    const shape = shapeOf(params);
    let template = templates.get(shape);
    if (template === undefined) {
      template = templateOf(db, build, params);
      templates.set(shape, template);
    }
    const { query, values } = template;
    const given = valuesOf(params);
    const parameters = values.map((value) => ("param" in value ? given[value.param] : value.own));
    return db.executeQuery({ ...query, parameters });
  };
}

/** The values of a list that a query is run with, as in `where("id", "in", listed(ids))`: the statement is the same for lists of any length. */
export function listed<T>(list: readonly T[]): RawBuilder<T> {
  return sql<T>`(select value from json_each(${list}))`;
}

interface Template<Row> {
  readonly query: CompiledQuery<Row>;
  /** What stands at each place: one of the values that it is run with, or a value of its own. */
  readonly values: readonly ({ readonly param: number } | { readonly own: unknown })[];
}

function templateOf<Params extends readonly Param[], Row>(
  db: Queries,
  build: (db: Queries, ...params: Params) => Statement<Row>,
  params: Params,
): Template<Row> {
  const standIns: unknown[] = [];
  const standIn = (): unknown => {
    const value = Symbol(`value ${standIns.length}`);
    standIns.push(value);
    return value;
  };
  const stood: unknown = params.map((param) =>
    isRow(param)
      ? Object.fromEntries(Object.keys(param).map((column) => [column, standIn()]))
      : standIn(),
  );
  // What a query builder is given it only keeps, whatever type it has.
  const query = build(db, ...(stood as Params)).compile(db);
  const values = query.parameters.map((own) => {
    const param = standIns.indexOf(own);
    return param < 0 ? { own } : { param };
  });
  return { query, values };
}

function isRow(param: Param): param is object {
  return typeof param === "object" && param !== null && !Array.isArray(param);
}

function shapeOf(params: readonly Param[]): string {
  let shape = "";
  for (const param of params) if (isRow(param)) shape += ` ${Object.keys(param).join()}`;
  return shape;
}

function valuesOf(params: readonly Param[]): readonly unknown[] {
  const values: unknown[] = [];
  for (const param of params) {
    if (isRow(param)) values.push(...Object.values(param));
    else values.push(Array.isArray(param) ? JSON.stringify(param) : param);
  }
  return values;
}
