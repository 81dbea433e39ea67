import type { ProjectBuildRow } from "../db/cuirass-build-view.ts";
import { jobsetName } from "../db/cuirass-jobset-view.ts";

/** What is told of one feed. */
export interface FeedPlace {
  /** Without a slash at the end. */
  readonly serveUrl: string;
  /** Name of the jobset; null for all. */
  readonly jobset: string | null;
}

/** An RSS 2.0 document of builds whose weather has changed: broken, or fixed. */
export function rssOf(rows: readonly ProjectBuildRow[], { serveUrl, jobset }: FeedPlace): string {
  const of = jobset === null ? "" : ` of ${jobset}`;
  return [
    `<?xml version="1.0" encoding="UTF-8"?>`,
    `<rss version="2.0"><channel>`,
    `<title>${escapeXml(`Build events${of}`)}</title>`,
    `<link>${escapeXml(serveUrl)}/</link>`,
    `<description>${escapeXml(`Builds${of} that broke or were fixed.`)}</description>`,
    ...rows.map((row) => itemOf(row, serveUrl)),
    `</channel></rss>\n`,
  ].join("\n");
}

function itemOf(row: ProjectBuildRow, serveUrl: string): string {
  const { number, job, weather, stoppedAt, storedAt, updatedAt } = row;
  const event = weather === 0 ? "fixed" : "broken";
  const link = escapeXml(`${serveUrl}/build/${number}/details`);
  const date = new Date(stoppedAt ?? storedAt ?? updatedAt).toUTCString();
  const what = `The build of ${job} in ${jobsetName(row)} is ${event}.`;
  return [
    `<item>`,
    `<title>${escapeXml(`${job} is ${event}`)}</title>`,
    `<link>${link}</link>`,
    `<guid isPermaLink="false">${link}#${event}</guid>`,
    `<pubDate>${date}</pubDate>`,
    `<description>${escapeXml(what)}</description>`,
    `</item>`,
  ].join("");
}

function escapeXml(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, " ")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
