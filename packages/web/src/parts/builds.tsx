import { Link } from "../frame/link.tsx";
import { StatusBadge, WeatherMark } from "./badges.tsx";
import { Age, Duration } from "./quantities.tsx";
import { Table } from "./table.tsx";
import type { BuildRow } from "../views/build-row.ts";

interface BuildsProps {
  caption: string;
  captionIsUnseen?: boolean;
  builds: readonly BuildRow[];
  /** Whether they come from several projects. */
  hasJobsets?: boolean;
}

/** In the order given. The name is that of the derivation where a build is nobody's job. */
export function BuildsTable({ caption, captionIsUnseen, builds, hasJobsets = false }: BuildsProps) {
  return (
    <Table
      caption={caption}
      {...(captionIsUnseen === undefined ? {} : { captionIsUnseen })}
      columns={[
        { title: "Status" },
        { title: "Job" },
        ...(hasJobsets ? [{ title: "Project", class: "wide" as const }] : []),
        { title: "Name", class: "wide" },
        { title: "System", class: "wide" },
        { title: "Duration", class: "figure" },
        { title: "Finished", class: "figure wide" },
      ]}
    >
      {builds.map((build) => (
        <tr key={build.number}>
          <td>
            <StatusBadge status={build.status} /> <WeatherMark weather={build.weather} />
          </td>
          <th scope="row">
            <Link to={`/build/${build.number}/details`}>{build.job ?? build.name}</Link>
          </th>
          {hasJobsets ? (
            <td class="wide">
              <Link to={`/jobset/${encodeURIComponent(build.jobset)}`}>{build.jobset}</Link>
            </td>
          ) : null}
          <td class="wide">{build.name}</td>
          <td class="wide">{build.system}</td>
          <td class="figure">
            <BuildDuration build={build} />
          </td>
          <td class="figure wide">
            {build.stoppedAt === null ? null : <Age at={build.stoppedAt} />}
          </td>
        </tr>
      ))}
    </Table>
  );
}

/** What was found in a cache, or never began, took no time. */
function BuildDuration({ build }: { build: BuildRow }) {
  const { startedAt, stoppedAt, status } = build;
  if (stoppedAt === null && status !== "started") return null;
  return <Duration from={startedAt} to={stoppedAt} />;
}
