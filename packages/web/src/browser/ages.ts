import { ageText, durationText } from "../parts/words.ts";

const EVERY_MS = 1000;

/** Keeps "5 min ago" and the duration of what goes on true. */
export function keepAges(): void {
  // The server's clock and this one may differ: what counts is the time since the page came.
  const offset = pageTime() - Date.now();
  setInterval(() => {
    const now = Date.now() + offset;
    for (const element of document.querySelectorAll<HTMLTimeElement>("time[data-age]")) {
      say(element, ageText(Date.parse(element.dateTime), now));
    }
    for (const element of document.querySelectorAll<HTMLTimeElement>("time[data-since]")) {
      say(element, durationText(now - Date.parse(element.dateTime)));
    }
  }, EVERY_MS);
}

function pageTime(): number {
  return Number(document.documentElement.dataset["now"] ?? Date.now());
}

function say(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
