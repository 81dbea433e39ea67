import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Assets, Frame, PageView } from "@gradient/web";
import { z } from "zod";
import type { Clock } from "../../clock.ts";
import { UserError } from "../../errors.ts";

/** What depends on who asks for which page. */
export type PageFrame = Pick<Frame, "user" | "token" | "path">;

type RenderPage = (view: PageView, frame: Frame) => string;

/** A file that browsers load. The hash of its content is in its name. */
export interface StaticFile {
  readonly contentType: string;
  readonly bytes: Buffer;
  readonly gzip: Buffer;
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml; charset=utf-8",
};

const manifestSchema = z.record(z.string(), z.object({ file: z.string() }));

interface Loaded {
  readonly render: RenderPage;
  readonly assets: Assets;
  readonly files: ReadonlyMap<string, StaticFile>;
}

/** Renders pages, and holds what they load. All of it is loaded with the first page: a coordinator that nobody looks at does not need it. */
export class Pages {
  readonly #version: string;
  readonly #clock: Clock;
  #loaded: Promise<Loaded> | null = null;

  /** `version` stands at the foot of every page. */
  constructor({ version, clock }: { version: string; clock: Clock }) {
    this.#version = version;
    this.#clock = clock;
  }

  /** The page as a whole HTML document. */
  async render(view: PageView, frame: PageFrame): Promise<string> {
    const { render, assets } = await this.#load();
    return render(view, { ...frame, version: this.#version, now: this.#clock.now(), assets });
  }

  /** A file that pages load, by the name that they give it, which changes with its contents. */
  async file(name: string): Promise<StaticFile | undefined> {
    return (await this.#load()).files.get(name);
  }

  #load(): Promise<Loaded> {
    this.#loaded ??= load();
    return this.#loaded;
  }
}

async function load(): Promise<Loaded> {
  const manifestFile = findManifest();
  const manifest = manifestSchema.parse(JSON.parse(await readFile(manifestFile, "utf8")));
  const files = new Map<string, StaticFile>();
  for (const { file } of Object.values(manifest)) {
    const bytes = await readFile(join(dirname(manifestFile), file));
    const contentType = CONTENT_TYPES[file.split(".").at(-1) ?? ""] ?? "application/octet-stream";
    files.set(file, { contentType, bytes, gzip: gzipSync(bytes) });
  }
  const urlOf = (source: string): string => {
    const file = manifest[source]?.file;
    if (file === undefined) throw new Error(`${manifestFile} has no ${source}`);
    return `/static/${file}`;
  };
  const assets = {
    style: urlOf("src/style/main.css"),
    script: urlOf("src/browser/main.ts"),
    icon: urlOf("src/style/icon.svg"),
  };
  const { renderPage } = await import("@gradient/web");
  return { render: renderPage, assets, files };
}

/** Throws UserError when the pages' files were not built. */
function findManifest(): string {
  try {
    return createRequire(import.meta.url).resolve("@gradient/web/static/manifest.json");
  } catch (cause) {
    throw new UserError("the files of the pages are missing: run `npm run build`", {
      exitCode: 1,
      cause,
    });
  }
}
