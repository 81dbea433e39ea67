import { renderToString } from "preact-render-to-string";
import { Document } from "./frame/document.tsx";
import { partsOf } from "./page.tsx";
import type { PageView } from "./views/page-view.ts";
import type { Frame } from "./views/frame.ts";

/** The whole HTML document of a page. All that the view holds is text, but for `html` of a form. */
export function renderPage(view: PageView, frame: Frame): string {
  const { content, ...parts } = partsOf(view);
  return `<!DOCTYPE html>${renderToString(
    <Document frame={frame} {...parts}>
      {content}
    </Document>,
  )}`;
}
