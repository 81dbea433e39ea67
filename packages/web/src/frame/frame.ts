import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Frame } from "../views/frame.ts";

/** A part of the way from the front page to this one. */
export interface Crumb {
  readonly text: string;
  /** null for the page itself. */
  readonly to: string | null;
}

export const FrameContext = createContext<Frame | null>(null);

/** The frame that the component stands in. Throws outside of one. */
export function useFrame(): Frame {
  const frame = useContext(FrameContext);
  if (frame === null) throw new Error("this component stands in no frame");
  return frame;
}

/** The address of a page of ours, with the token of the page that links to it. */
export function withToken(path: string, token: string | null): string {
  if (token === null) return path;
  const [place = "", fragment] = path.split("#", 2);
  const mark = place.includes("?") ? "&" : "?";
  const end = fragment === undefined ? "" : `#${fragment}`;
  return `${place}${mark}token=${encodeURIComponent(token)}${end}`;
}

/** `path` with the parameters that are given; null leaves one out. */
export function withQuery(
  path: string,
  parameters: Readonly<Record<string, string | null>>,
): string {
  const given = Object.entries(parameters).flatMap(([name, value]) =>
    value === null ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return given.length === 0 ? path : `${path}?${given.join("&")}`;
}
