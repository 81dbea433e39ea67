import { useFrame } from "../frame/frame.ts";
import { Link } from "../frame/link.tsx";
import { Duration } from "./quantities.tsx";
import { durationText } from "./words.ts";
import type { RunningBuild } from "../views/running-build.ts";

/** In the order given. A build of somebody whom the reader may not see has a name and no link. */
export function Running({ builds }: { builds: readonly RunningBuild[] }) {
  if (builds.length === 0) return <span class="faint">idle</span>;
  return (
    <ul class="running">
      {builds.map((build, at) => (
        <li key={at}>
          {build.number === null ? (
            build.name
          ) : (
            <Link to={`/build/${build.number}/details`}>{build.name}</Link>
          )}{" "}
          <Progress build={build} />
        </li>
      ))}
    </ul>
  );
}

/** How much of the time that earlier builds took has passed; the time alone where there was none. */
export function Progress({ build }: { build: RunningBuild }) {
  const { now } = useFrame();
  const { startedAt, expectedMs } = build;
  if (expectedMs === null) return <Duration from={startedAt} to={null} />;
  const done = Math.min(now - startedAt, expectedMs);
  return (
    <span class="progress">
      <progress
        max={expectedMs}
        value={done}
        aria-label={`${build.name}: usually ${durationText(expectedMs)}`}
      ></progress>{" "}
      <Duration from={startedAt} to={null} />{" "}
      <span class="faint">of {durationText(expectedMs)}</span>
    </span>
  );
}
