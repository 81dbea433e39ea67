import { Idiomorph } from "idiomorph";
import { watchChanges } from "./changes.ts";

const POLL_MS = 5000;

/** Brings the page up to date: when live frames tell of a change, or, where there are none, from time to time while it is looked at. */
export function keepLive(): void {
  const source = document.querySelector<HTMLElement>("[data-live]")?.dataset["live"];
  if (source === undefined) return;
  if (source !== "poll") {
    watchChanges(source, renew);
    return;
  }
  setInterval(() => {
    if (!document.hidden) renew().catch(() => undefined);
  }, POLL_MS);
}

/** Asks for this page again and changes what is different; what the reader has opened or typed stays. */
export async function renew(): Promise<void> {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [now, next] = [document.querySelector("main"), page.querySelector("main")];
  if (now === null || next === null) return;
  document.title = page.title;
  await Idiomorph.morph(now, next, {
    ignoreActiveValue: true,
    callbacks: { beforeAttributeUpdated: (name, element) => !isReaders(name, element) },
  });
}

/** What the reader has opened, and typed. */
function isReaders(attribute: string, element: Element): boolean {
  if (element instanceof HTMLDetailsElement) return attribute === "open";
  return element instanceof HTMLInputElement && ["value", "checked"].includes(attribute);
}
