import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import axe from "axe-core";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";

/** Chromium on PATH; undefined where there is none, and tests that need a browser are skipped. */
export const CHROMIUM = (process.env["PATH"] ?? "")
  .split(delimiter)
  .flatMap((directory) => ["chromium", "chromium-browser"].map((name) => join(directory, name)))
  .find(isExecutable);

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

interface ContextOptions {
  javaScriptEnabled?: boolean;
  colorScheme?: "light" | "dark";
  viewport?: { width: number; height: number };
}

/** What axe found, as far as tests look. */
interface AxeViolation {
  id: string;
  impact: string | null;
  nodes: { html: string }[];
}

/** A headless browser that notes what pages complain of: errors of scripts, what the content security policy refused, answers of 400 and above. */
export class TestBrowser implements AsyncDisposable {
  readonly complaints: string[] = [];
  readonly #browser: Browser;
  readonly #url: string;

  private constructor(browser: Browser, url: string) {
    this.#browser = browser;
    this.#url = url;
  }

  static async start(url: string): Promise<TestBrowser> {
    if (CHROMIUM === undefined) throw new Error("there is no Chromium");
    // Tests run as root, for whom Chromium has no sandbox.
    const args = ["--no-sandbox", "--disable-dev-shm-usage"];
    return new TestBrowser(await chromium.launch({ executablePath: CHROMIUM, args }), url);
  }

  /** A visitor without cookies. */
  async visitor(options: ContextOptions = {}): Promise<BrowserContext> {
    const context = await this.#browser.newContext({ ...options, baseURL: this.#url });
    context.on("page", (page) => this.#listen(page));
    return context;
  }

  #listen(page: Page): void {
    page.on("pageerror", (error) => this.complaints.push(`${page.url()}: ${error.message}`));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) {
        this.complaints.push(`${page.url()}: ${message.text()}`);
      }
    });
    page.on("response", (response) => {
      if (response.status() >= 400) this.complaints.push(`${response.url()}: ${response.status()}`);
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(this.#url)) this.complaints.push(`asked ${request.url()}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

/** Serious and critical faults that keep people from using a page, one line each. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  // Through the debugger, which no content security policy holds back.
  await page.evaluate(axe.source);
  const violations = await page.evaluate<AxeViolation[]>("axe.run().then((r) => r.violations)");
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${page.url()}: ${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}
