import { useFrame } from "../frame/frame.ts";
import { ageText, durationText, timeText } from "./words.ts";

/** How long ago something was; the exact time is told on hovering, and the browser's script keeps the age true. */
export function Age({ at }: { at: number }) {
  const { now } = useFrame();
  return (
    <time dateTime={new Date(at).toISOString()} title={timeText(at)} data-age>
      {ageText(at, now)}
    </time>
  );
}

/** `at` in milliseconds since the epoch, shown in UTC. It needs no script. */
export function Instant({ at }: { at: number }) {
  return <time dateTime={new Date(at).toISOString()}>{timeText(at)}</time>;
}

/** From one time to another, or until now while it goes on; nothing before it began. */
export function Duration({ from, to }: { from: number | null; to: number | null }) {
  const { now } = useFrame();
  if (from === null) return null;
  if (to !== null) return <>{durationText(to - from)}</>;
  return (
    <time dateTime={new Date(from).toISOString()} data-since>
      {durationText(now - from)}
    </time>
  );
}
