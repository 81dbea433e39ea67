/** Which event leads from which state to which. What does not stand in the table is refused. */
export type TransitionTable<State extends string, Event extends string> = Readonly<
  Record<State, Readonly<Partial<Record<Event, State>>>>
>;

/** The next state, or one sentence that says why there is none. */
export type TransitionResult<State extends string> =
  | { isAllowed: true; next: State }
  | { isAllowed: false; reason: string };

/** Applies an event. `subject` names the thing in the refusal, for instance `build 7`. */
export function transit<State extends string, Event extends string>(
  table: TransitionTable<State, Event>,
  subject: string,
  state: State,
  event: Event,
): TransitionResult<State> {
  const next = table[state][event];
  if (next !== undefined) return { isAllowed: true, next };
  const possible = Object.keys(table[state]);
  const instead =
    possible.length === 0 ? "it is in an end state" : `possible: ${possible.join(", ")}`;
  return {
    isAllowed: false,
    reason: `${subject} is ${state}: '${event}' is not possible (${instead})`,
  };
}

/**
 * An event as a compare-and-set over rows: the states it is possible from, and the one state it leads to.
 * In all tables of the farm an event leads to the same state wherever it happens.
 */
export function moveOf<State extends string, Event extends string>(
  table: TransitionTable<State, Event>,
  event: Event,
): { from: State[]; to: State } {
  const from: State[] = [];
  const to = new Set<State>();
  let state: State;
  for (state in table) {
    const next = table[state][event];
    if (next === undefined) continue;
    from.push(state);
    to.add(next);
  }
  const [target] = to;
  if (target === undefined || to.size > 1) {
    throw new Error(`event '${event}' does not lead to exactly one state`);
  }
  return { from, to: target };
}
