import { describe, expect, test } from "vitest";
import { renderPage } from "./index.ts";
import { withToken } from "./frame/frame.ts";
import {
  build,
  dashboardOf,
  evaluation,
  HOSTILE,
  log,
  sampleFrame,
  sampleViews,
} from "./sample-views.test-support.ts";

const render = (view: Parameters<typeof renderPage>[0], frame = {}) =>
  renderPage(view, { ...sampleFrame, ...frame });

const pages = Object.entries(sampleViews);

describe.each(pages)("the page %s", (_name, view) => {
  const html = render(view);

  test("is a document with a title, one heading and a place in the navigation", () => {
    expect(html).toMatch(/^<!DOCTYPE html><html lang="en"/);
    expect(html).toMatch(/<title>.+ · Gradient<\/title>/);
    expect(html.match(/<h1[ >]/g)).toHaveLength(1);
    expect(html).toContain('<main id="content"');
  });

  test("holds nothing that its content security policy refuses", () => {
    expect(html).not.toMatch(/\sstyle=/);
    expect(html).not.toMatch(/\son[a-z]+=/);
    const scripts = html.match(/<script[^>]*>[^<]*/g);
    expect(scripts).toEqual(['<script type="module" src="/static/script.js">']);
  });

  test("shows what users wrote as text", () => {
    expect(html).not.toContain(HOSTILE);
    expect(html).not.toContain("<script>alert");
  });

  test("names its tables and the heads of their columns and rows", () => {
    const tables = html.match(/<table>/g) ?? [];
    expect(html.match(/<table><caption[ >]/g) ?? []).toHaveLength(tables.length);
    expect(html).not.toMatch(/<th(?! scope=| class="figure|ead| class="wide)[ >]/);
  });

  test("loads from this server alone", () => {
    const loaded = [...html.matchAll(/<(?:link|script|img)[^>]*?(?:href|src)="([^"]*)"/g)];
    expect(loaded.map(([, address]) => address?.[0])).toEqual(loaded.map(() => "/"));
  });
});

describe("a token that came in the address", () => {
  test("is carried along by links to pages, and only by those", () => {
    const html = render(evaluation, { token: "a b&c" });
    expect(html).toContain('href="/eval/41?token=a%20b%26c"');
    expect(html).toContain('href="/eval/42?status=failed&amp;token=a%20b%26c#builds"');
    expect(html).toContain('<input type="hidden" name="token" value="a b&amp;c"/>');
    expect(html).toMatch(/data-live="\/api\/v1\/evals\/[\w-]+\/live\?token=a%20b%26c"/);
    for (const [, address] of html.matchAll(/href="(https?:[^"]*)"/g)) {
      expect(address).not.toContain("token");
    }
  });

  test("stands before the place in the page", () => {
    expect(withToken("/eval/1#builds", "t")).toBe("/eval/1?token=t#builds");
    expect(withToken("/eval/1?a=b", null)).toBe("/eval/1?a=b");
  });
});

describe("an evaluation", () => {
  test("shows which of its tabs is open, with counts, and how far it got", () => {
    const html = render({ ...evaluation, tab: "failed" });
    expect(html).toMatch(
      /href="\/eval\/42\?status=failed#builds" aria-current="page">Failed <span class="count">7</,
    );
    expect(html).toContain(">454<");
    expect(html).toContain('<svg viewBox="0 0 100 8"');
  });

  test("shows what is different, and that lists are cut", () => {
    const html = render(evaluation);
    expect(html).toContain('<span class="difference is-broken">Broken</span> 2');
    expect(html).toContain("and 3 more");
    expect(html).not.toContain("difference is-gone");
  });

  test("links to forges by their addresses, and to nothing else", () => {
    const commit = { hash: "a".repeat(40), subject: "x", url: "javascript:alert(1)" };
    expect(render({ ...evaluation, commit })).not.toContain("javascript:");
  });
});

describe("a dashboard", () => {
  test("has a square for each job, with its status in words and a link to its build", () => {
    const html = render(dashboardOf(12));
    expect(html.match(/<a href="\/build\/\d+\/details" class="square/g)).toHaveLength(12);
    expect(html).toContain('aria-label="tool-0.x86_64-linux: Succeeded, 0.3 s"');
    expect(html).toContain('aria-label="tool-5.x86_64-linux: Running"');
  });

  test("filters without scripts, and keeps the filter on the way to other systems and evaluations", () => {
    const html = render({ ...dashboardOf(12), filter: "tool-1", system: "x86_64-linux" });
    expect(html.match(/<li hidden>/g)).toHaveLength(9);
    expect(html).toContain("3 of 12 jobs");
    expect(html).toContain('href="/eval/41/dashboard?system=x86_64-linux&amp;filter=tool-1"');
    expect(html).toContain('href="/eval/42/dashboard?system=aarch64-linux&amp;filter=tool-1"');
  });

  test("of 2,000 jobs is small", () => {
    expect(render(dashboardOf(2000)).length).toBeLessThan(600_000);
  });
});

describe("a build", () => {
  test("shows what was measured, how well, and the recorded series as charts", () => {
    const html = render(build);
    for (const text of [
      "13 min 51 s (13 min 20 s user, 31 s system; exact)",
      "1.3 GiB (sampled)",
    ]) {
      expect(html).toContain(text);
    }
    expect(html.match(/<svg [^>]*data-chart/g)).toHaveLength(2);
    expect(html).toContain('aria-label="Memory: at most 1.3 GiB"');
  });

  test("never shows what is unknown as zero", () => {
    const { usage } = build;
    if (usage === null) throw new Error("the sample has a usage record");
    const unknown = {
      ...usage,
      cpuUserMs: null,
      memoryPeakBytes: null,
      ioReadBytes: null,
      series: [],
    };
    const html = render({ ...build, usage: unknown });
    expect(html.match(/<dd>not measured<\/dd>/g)).toHaveLength(2);
    expect(html).not.toContain("<dt>Read</dt>");
    expect(html).not.toContain("data-chart");
  });
});

test("a log is readable text in phases that fold, with its colours", () => {
  const html = render(log);
  expect(html).toContain('<details class="phase" open><summary>buildPhase</summary>');
  expect(html).toContain(
    '<span class="ansi-bold ansi-fg-1">main.c:3:1: error:</span> unknown type name',
  );
  expect(html).not.toContain("\u001b");
});

test("who is signed in is named, and who is not may sign in and comes back", () => {
  expect(render(evaluation, { user: "alice" })).toContain(
    '<a class="account" href="/account/sign-out" title="Sign out">alice</a>',
  );
  expect(render(evaluation, { path: "/eval/42?status=failed" })).toContain(
    'href="/account/sign-in?next=%2Feval%2F42%3Fstatus%3Dfailed"',
  );
});
