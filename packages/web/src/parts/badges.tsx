import {
  BUILD_STATUSES,
  EVALUATION_STATES,
  WEATHER_TEXTS,
  type BuildStatus,
  type EvaluationState,
  type Weather,
} from "./status.ts";

/** A build's state: mark, word and colour. */
export function StatusBadge({ status }: { status: BuildStatus }) {
  const { mark, text } = BUILD_STATUSES[status];
  return (
    <span class={`badge is-${status}`}>
      <span aria-hidden="true">{mark}</span> {text}
    </span>
  );
}

/** An evaluation's state: mark, word and colour. */
export function EvaluationBadge({ state }: { state: EvaluationState }) {
  const { mark, text } = EVALUATION_STATES[state];
  return (
    <span class={`badge is-${state}`}>
      <span aria-hidden="true">{mark}</span> {text}
    </span>
  );
}

const WEATHER_MARKS: Readonly<Record<Weather, string | null>> = {
  unknown: null,
  "new-success": "fixed",
  "new-failure": "broken",
  "still-succeeding": null,
  "still-failing": "still failing",
};

/** Tells what changed against the job's build before; nothing where nothing did. */
export function WeatherMark({ weather }: { weather: Weather }) {
  const text = WEATHER_MARKS[weather];
  if (text === null) return null;
  return (
    <span class={`weather is-${weather}`} title={WEATHER_TEXTS[weather]}>
      {text}
    </span>
  );
}
