import { newestOf, type Place } from "../nixbuild/newest.ts";
import type { Database, PreparedQuery, SqlValue } from "./client.ts";

/** A part of a statement with what belongs into its question marks. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

/**
 * A statement for the places of one source in their order, with the values of its conditions. Its last three question marks are a place (time and number), before
 * which it begins, and a limit; its columns "createdAt" and number.
 */
export type Places = Condition;

type AnyQuery = PreparedQuery<SqlValue[], unknown>;

/** Fewer sources are read one by one: where the values are columns, a list among them is gone through again for every row. */
const TOGETHER = 4;

/** Runs statements that are put together from conditions, each prepared once, and reads the newest of many sources. */
export class PlaceReader {
  readonly #database: Database;
  /** By text: there are as many as there are kinds of questions. */
  readonly #statements = new Map<string, AnyQuery>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Rows of a statement, which is prepared once. */
  all<Row>(sql: string, values: readonly SqlValue[]): Row[] {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare<SqlValue[], unknown>(sql);
      this.#statements.set(sql, statement);
    }
    // The caller names the columns in its own text.
    return statement.all(...values) as Row[];
  }

  /** The newest `limit` places of all sources together. */
  newest(sources: readonly Places[], createdBefore: number, limit: number): Place[] {
    return newestOf(
      sources.map((source) => (before, count) => this.#readOne(source, before, count)),
      (before, count) => this.#readAll(sources, before, count),
      createdBefore,
      limit,
    );
  }

  #readOne({ sql, values }: Places, before: Place, limit: number): Place[] {
    return this.all<Place>(sql, [...values, before.createdAt, before.number, limit]);
  }

  /**
   * In one statement, where the sources differ in nothing but values. SQL knows no subquery in the place of a table that depends on the row
   * before it, but a value may: the places of a source, as JSON.
   */
  #readAll(sources: readonly Places[], before: Place, limit: number): Place[][] {
    const [first] = sources;
    if (
      first === undefined ||
      sources.length < TOGETHER ||
      sources.some(({ sql }) => sql !== first.sql)
    ) {
      return sources.map((source) => this.#readOne(source, before, limit));
    }
    const rows = sources.map(({ values }) => [...values, before.createdAt, before.number]);
    const questions = rows[0]?.length ?? 0;
    let at = 0;
    const ofSource = first.sql.replaceAll("?", (question) =>
      at < questions ? `(s.value ->> ${at++})` : question,
    );
    const sql = `
      select (select json_group_array(json_object('createdAt', "createdAt", 'number', number)) from (${ofSource})) as places
      from json_each(?) s order by s.key`;
    const found = this.all<{ places: string }>(sql, [limit, JSON.stringify(rows)]);
    // The text is ours, by the names above.
    return found.map(({ places }) => JSON.parse(places) as Place[]);
  }
}
