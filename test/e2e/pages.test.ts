import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/api-client.ts";
import { accessibilityFaults, CHROMIUM, TestBrowser } from "../support/browser.ts";
import { expression } from "../support/expressions.ts";
import { TestFarm } from "../support/farm.ts";

const EVIL = `<script>alert(1)</script>`;
/** As Nix writes an attribute's name. */
const EVIL_ATTRIBUTE = `"${EVIL}"`;
const COUNT = 6;
/** With those that have a name of their own. */
const ALL = COUNT + 5;

/** Two gates: what waits for them goes on when the file is there. */
const source = (gates: { first: string; second: string }) =>
  expression(`
  let
    wait = gate: "i=0; while [ ! -e \${gate} ]; do i=$((i+1)); echo \\"line $i\\"; sleep 0.05; done;";
    many = builtins.listToAttrs (builtins.genList (n: {
      name = "quick-\${toString n}";
      value = mk "quick-\${toString n}" "echo quick > $out" { };
    }) ${COUNT});
  in many // {
    slow = mk "slow" "echo 'Running phase: buildPhase'; \${wait "${gates.first}"} printf '\\\\033[31mred words\\\\033[0m\\\\n'; echo done > $out" { };
    late = mk "late" "\${wait "${gates.second}"} echo done > $out" { };
    fails = mk "fails" "echo 'it breaks' >&2; exit 3" { };
    older = mk "older" "echo older > $out" { system = "i686-linux"; };
    ${EVIL_ATTRIBUTE} = mk "evil" "echo evil > $out" { };
  }`);

describe.skipIf(CHROMIUM === undefined)("pages in a browser", () => {
  let farm: TestFarm;
  let browser: TestBrowser;
  /** Signed in as a member. */
  let alice: BrowserContext;
  let evaluation: number;
  let gates: { first: string; second: string };

  beforeAll(async () => {
    farm = await TestFarm.start();
    const directory = join(farm.directory, "gates");
    await mkdir(directory);
    gates = { first: join(directory, "first"), second: join(directory, "second") };
    // One place more than gates: in whatever order builds begin, none waits for a gate of another.
    await farm.addWorker("alpha", {
      flags: ["--max-concurrent-builds", "3"],
      settings: [`sandbox-paths = ${directory}`],
    });
    const project = await farm.addFilesProject("shop", "*", { "default.nix": source(gates) });
    const id = await farm.evaluate(project);
    await eventually("all but what waits to be built", 90_000, async () => {
      const builds = await farm.api.builds(id);
      const waiting = builds.filter(({ status }) => ["Queued", "Building"].includes(status));
      const running = builds.filter(({ status }) => status === "Building");
      return builds.length === ALL && waiting.length === 2 && running.length === 2 ? true : null;
    });
    evaluation = numberOf(farm, id);
    browser = await TestBrowser.start(farm.url);
    alice = await browser.visitor();
  }, 120_000);
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await farm?.[Symbol.asyncDispose]();
  });
  afterEach(() => {
    const complaints = browser.complaints.splice(0);
    if (complaints.length > 0) throw new Error(`pages complained:\n${complaints.join("\n")}`);
  });

  const open = async (path: string, visitor = alice): Promise<Page> => {
    const page = await visitor.newPage();
    await page.goto(path);
    return page;
  };
  const shownSquares = (page: Page) => page.locator(".squares li:visible");
  const squareOf = (page: Page, job: string) => page.locator(`.squares a[data-job^="${job}."]`);

  test("somebody signs in on the way, and comes back to the page", async () => {
    const page = await open("/");
    expect(await page.locator("main").innerText()).toContain("There is no public project");
    await page.getByRole("link", { name: "Sign in" }).click();
    await page.getByLabel("User name").fill("alice");
    await page.getByLabel("Password").fill("Tr1al-of-light!");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${farm.url}/`);
    await page.getByRole("link", { name: "acme.shop", exact: true }).click();
    await page.getByRole("link", { name: `#${evaluation}` }).click();
    expect(await page.locator("h1").innerText()).toContain(`Evaluation #${evaluation}`);
    await page.close();
  });

  test("tabs of an evaluation show its jobs by status, and can be linked", async () => {
    const page = await open(`/eval/${evaluation}`);
    await page.getByRole("link", { name: /^Failed/ }).click();
    expect(new URL(page.url()).searchParams.get("status")).toBe("failed");
    const rows = page.locator("#builds ~ table tbody tr");
    expect(await rows.count()).toBe(1);
    expect(await rows.innerText()).toContain("fails.");
    await page.close();
  });

  test("a dashboard is filtered while somebody types, tells squares by pointer and keyboard, and keeps all of it in its address", async () => {
    const page = await open(`/eval/${evaluation}/dashboard`);
    expect(await shownSquares(page).count()).toBe(ALL);
    await page.getByLabel("Filter by name").fill("quick-");
    expect(await shownSquares(page).count()).toBe(COUNT);
    expect(await page.locator("[data-shown]").innerText()).toBe(`${COUNT} of ${ALL} jobs`);
    expect(new URL(page.url()).searchParams.get("filter")).toBe("quick-");
    await page.reload();
    expect(await shownSquares(page).count()).toBe(COUNT);
    await page.getByRole("link", { name: "i686-linux" }).click();
    expect(await page.locator("[data-shown]").innerText()).toBe("0 of 1 job");
    expect(new URL(page.url()).searchParams.get("filter")).toBe("quick-");
    await page.getByLabel("Filter by name").fill("");
    expect(await shownSquares(page).count()).toBe(1);
    await page.getByRole("link", { name: "All systems" }).click();
    await squareOf(page, "fails").hover();
    expect(await page.locator(".tip").innerText()).toMatch(/^fails\..*: Failed, /);
    await squareOf(page, "quick-0").focus();
    expect(await page.locator(".tip").innerText()).toMatch(/^quick-0\..*: Succeeded, /);
    await page.close();
  });

  test("a dashboard's squares change while their builds do", async () => {
    const page = await open(`/eval/${evaluation}/dashboard`);
    const slow = squareOf(page, "slow");
    expect(await slow.getAttribute("class")).toContain("is-started");
    await page.getByLabel("Filter by name").fill("slow");
    const log = await open(await logOf(page, "slow"));
    await log.locator(".log-text", { hasText: "line 3" }).waitFor();
    const before = await log.locator(".log-text").innerText();
    await eventually("the log to grow on the page", 30_000, async () =>
      (await log.locator(".log-text").innerText()).length > before.length + 30 ? true : null,
    );
    await writeFile(gates.first, "");
    await page.locator(".squares a.is-succeeded[data-job^='slow.']").waitFor();
    expect(await slow.getAttribute("aria-label")).toContain("Succeeded");
    expect(await shownSquares(page).count()).toBe(1);
    await log.locator(".ansi-fg-1", { hasText: "red words" }).waitFor();
    await log.locator("h1", { hasText: "Succeeded" }).waitFor();
    expect(await log.locator("summary", { hasText: "buildPhase" }).count()).toBe(1);
    const lines = (await log.locator(".log-text").innerText()).match(/line \d+/g) ?? [];
    expect(lines).toEqual(lines.map((_, at) => `line ${at + 1}`));
    await page.close();
    await log.close();
  });

  test("an evaluation's page goes on by itself until it ends", async () => {
    const page = await open(`/eval/${evaluation}`);
    await page.locator("details.messages, h2").first().waitFor();
    await writeFile(gates.second, "");
    await page.locator("h1", { hasText: /Completed|Failed/ }).waitFor();
    expect(await page.locator(".tabs [aria-current]").innerText()).toContain(String(ALL));
    await page.close();
  });

  test("a build's page shows what was measured, and a chart tells its values", async () => {
    const page = await open(`/eval/${evaluation}`);
    await page
      .getByRole("link", { name: /^slow\./ })
      .first()
      .click();
    expect(await page.locator("main").innerText()).toMatch(/CPU time\s+[\d.]+ m?s/);
    const chart = page.locator("svg[data-chart]").first();
    await chart.hover();
    expect(await page.locator("[data-reading]").first().innerText()).toMatch(/: /);
    await page.close();
  });

  test("search suggests names and finds builds", async () => {
    const page = await open("/");
    await page.keyboard.press("/");
    await page.keyboard.type("qui");
    await page.locator("#query-hints option").first().waitFor({ state: "attached" });
    expect(await page.locator("#query-hints option").count()).toBe(COUNT);
    await page.keyboard.press("Enter");
    await page.locator("h1", { hasText: "Builds for" }).waitFor();
    expect(await page.locator("tbody tr").count()).toBe(COUNT);
    await page.close();
  });

  test("without scripts all of it can be read, filtered and followed", async () => {
    const plain = await browser.visitor({ javaScriptEnabled: false });
    await plain.addCookies(await alice.cookies());
    const page = await open(`/eval/${evaluation}/dashboard`, plain);
    await page.getByLabel("Filter by name").fill("slow");
    await page.getByRole("button", { name: "Filter" }).click();
    expect(await shownSquares(page).count()).toBe(1);
    await squareOf(page, "slow").click();
    await page.getByRole("link", { name: "Log", exact: true }).click();
    expect(await page.locator(".log-text").innerText()).toContain("red words");
    await plain.close();
  });

  test("whoever has a token in the address needs no cookie, also for what changes", async () => {
    const stranger = await browser.visitor();
    const page = await stranger.newPage();
    const opened = page.waitForEvent("websocket");
    await page.goto(`/eval/${evaluation}/dashboard?token=${farm.api.token}`);
    expect(await shownSquares(page).count()).toBe(ALL);
    expect(new URL((await opened).url()).searchParams.get("token")).toBe(farm.api.token);
    await squareOf(page, "slow").click();
    expect(await page.locator("h1").innerText()).toContain("slow.");
    await stranger.close();
  });

  test("a name that is a script is shown and nothing else", async () => {
    const page = await open(`/eval/${evaluation}/dashboard`);
    page.on("dialog", () => browser.complaints.push("a script of a name has run"));
    await squareOf(page, EVIL).hover();
    expect(await page.locator(".tip").innerText()).toContain(EVIL);
    await squareOf(page, EVIL).click();
    expect(await page.locator("h1").innerText()).toContain(EVIL);
    await page.close();
  });

  test("nothing keeps people from using a page, in light, in dark, and on a phone", async () => {
    const build = await numberOfBuild(farm, "slow");
    const paths = [
      "/",
      "/jobset/acme.shop",
      `/eval/${evaluation}`,
      `/eval/${evaluation}/dashboard`,
      `/build/${build}/details`,
      `/build/${build}/log`,
      "/search?query=quick",
      "/workers",
      `/machine/${farm.workers[0]?.id}`,
      "/status",
      "/status/metrics",
      "/account/sign-in",
    ];
    const looks = [
      { colorScheme: "light" as const },
      { colorScheme: "dark" as const, viewport: { width: 400, height: 800 } },
    ];
    for (const look of looks) {
      const visitor = await browser.visitor(look);
      await visitor.addCookies(await alice.cookies());
      for (const path of paths) {
        const page = await open(path, visitor);
        expect(await accessibilityFaults(page)).toEqual([]);
        const isWider = "document.documentElement.scrollWidth > window.innerWidth";
        expect([path, await page.evaluate<boolean>(isWider)]).toEqual([path, false]);
        await page.close();
      }
      await visitor.close();
    }
  }, 240_000);

  test("2,000 squares are drawn and filtered at once", async () => {
    const page = await open(`/eval/${evaluation}/dashboard`);
    await page.evaluate(`{
      const list = document.querySelector(".squares");
      const item = list.querySelector("li");
      for (let n = 0; n < 2000; n += 1) {
        const copy = item.cloneNode(true);
        copy.firstElementChild.dataset.job = "more-" + n;
        list.append(copy);
      }
    }`);
    const spent = await page.evaluate<number>(`(() => {
      const input = document.querySelector("#filter");
      const begin = performance.now();
      for (const text of ["m", "mo", "more-1", "more-19", "more-199", ""]) {
        input.value = text;
        input.dispatchEvent(new Event("input"));
        document.body.getBoundingClientRect();
      }
      return (performance.now() - begin) / 6;
    })()`);
    // A tenth of a second is felt; this takes a few milliseconds.
    expect(spent).toBeLessThan(100);
    await page.close();
  });

  async function logOf(page: Page, job: string): Promise<string> {
    const address = (await squareOf(page, job).getAttribute("href")) ?? "";
    return address.replace("/details", "/log");
  }
});

function numberOf(farm: TestFarm, id: string): number {
  const database = new Database(join(farm.dataDir, "farm.sqlite"), { readonly: true });
  try {
    const find = database.prepare<[string], { number: number }>(
      "select number from evaluations where id = ?",
    );
    return find.get(id)?.number ?? 0;
  } finally {
    database.close();
  }
}

async function numberOfBuild(farm: TestFarm, job: string): Promise<number> {
  const answer = await fetch(`${farm.url}/api/latestbuilds?nr=100`, {
    headers: { authorization: `Bearer ${farm.api.token}` },
  });
  const builds = (await answer.json()) as { id: number; job: string }[];
  return builds.find((build) => build.job.startsWith(`${job}.`))?.id ?? 0;
}
