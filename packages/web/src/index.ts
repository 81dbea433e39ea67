export type { Assets, Frame } from "./views/frame.ts";
export type { PageView } from "./views/page-view.ts";
export { renderPage } from "./render-page.tsx";
